-- How good the alarming is, after ISA-18.2 / IEC 62682: views for Grafana and `fengsui alerts kpi` (docs/alerts.md).
-- As everywhere, readers see their own scope only (docs/security.md).
-- Exercises count nowhere; alerts about data count where a person's load is counted, not where the plant's alarms are.

-- Every time people were to be alarmed about the plant: first, again, or at a higher level.
CREATE VIEW kpi_alarms WITH (security_barrier) AS
SELECT t.alert, a.rule, a.subject_kind, a.subject, a.enterprise, t.level, t.cause, ns_time(t.now_ns) AS time
FROM transition t JOIN alert a ON a.id = t.alert
WHERE t.cause IN ('open', 'raise', 'reopen', 'level') AND NOT a.data_quality AND NOT a.exercise AND
    ((SELECT reader_sees_all(current_user)) OR a.enterprise IN (SELECT reader_enterprises(current_user)));

-- From each coming of a condition to its going, or to now.
CREATE VIEW kpi_active WITH (security_barrier) AS
SELECT alert, rule, subject_kind, subject, enterprise, level, time AS began, coalesce(next, now()) AS ended, next IS NULL AS present
FROM (
    SELECT t.alert, a.rule, a.subject_kind, a.subject, a.enterprise, t.level, t.cause, ns_time(t.now_ns) AS time,
           ns_time(lead(t.now_ns) OVER (PARTITION BY t.alert ORDER BY t.seq)) AS next
    FROM transition t JOIN alert a ON a.id = t.alert
    WHERE t.cause IN ('open', 'raise', 'reopen', 'clear', 'close', 'accept', 'merge') AND NOT a.data_quality AND NOT a.exercise AND
    ((SELECT reader_sees_all(current_user)) OR a.enterprise IN (SELECT reader_enterprises(current_user)))
) AS edges
WHERE cause IN ('open', 'raise', 'reopen');

-- From each asking for an answer to the answer, the end of the alert, or now.
CREATE VIEW kpi_unacknowledged WITH (security_barrier) AS
SELECT alert, rule, enterprise, level, time AS began, coalesce(next, now()) AS ended, next IS NULL AS waiting
FROM (
    SELECT t.alert, a.rule, a.enterprise, t.level, t.cause, ns_time(t.now_ns) AS time,
           ns_time(lead(t.now_ns) OVER (PARTITION BY t.alert ORDER BY t.seq)) AS next
    FROM transition t JOIN alert a ON a.id = t.alert
    WHERE t.cause IN ('open', 'raise', 'reopen', 'ack', 'close', 'accept', 'merge') AND NOT a.data_quality AND NOT a.exercise AND
    ((SELECT reader_sees_all(current_user)) OR a.enterprise IN (SELECT reader_enterprises(current_user)))
) AS edges
WHERE cause IN ('open', 'raise', 'reopen');

-- How long people took, by alert; NULL = not yet.
CREATE VIEW kpi_response WITH (security_barrier) AS
SELECT a.id AS alert, a.rule, a.enterprise, a.level, ns_time(a.opened_ns) AS opened,
       extract(epoch FROM ns_time(s.acked) - ns_time(a.opened_ns))::float8 AS ack_s,
       extract(epoch FROM ns_time(s.handled) - ns_time(a.opened_ns))::float8 AS handle_s,
       extract(epoch FROM ns_time(a.closed_ns) - ns_time(a.opened_ns))::float8 AS close_s,
       a.false_alarm AND a.closed_ns <> 0 AS false_alarm
FROM alert a
JOIN LATERAL (
    SELECT min(now_ns) FILTER (WHERE cause = 'ack') AS acked,
           min(now_ns) FILTER (WHERE cause IN ('handle', 'feedback', 'false_alarm')) AS handled
    FROM transition WHERE alert = a.id
) AS s ON true
WHERE NOT a.data_quality AND NOT a.exercise AND
    ((SELECT reader_sees_all(current_user)) OR a.enterprise IN (SELECT reader_enterprises(current_user)));

-- Messages about alarms that one person got, by ten minutes; what was held and went out in a digest is not among them.
CREATE VIEW kpi_told_10m WITH (security_barrier) AS
SELECT o.recipient, to_timestamp(floor(o.created_ns / 600000000000) * 600) AS time, count(DISTINCT (o.alert, o.step))::int AS n
FROM outbox o JOIN alert a ON a.id = o.alert
WHERE o.step ~ '^(raise|level)-' AND o.state NOT IN ('held', 'carried') AND NOT a.exercise AND
    ((SELECT reader_sees_all(current_user)) OR a.enterprise IN (SELECT reader_enterprises(current_user)))
GROUP BY o.recipient, 2;

-- A flood begins with more than ten alarms in ten minutes and ends with fewer than five.
CREATE VIEW kpi_flood_10m WITH (security_barrier) AS
SELECT recipient, time, n, coalesce(max(mark) OVER (PARTITION BY recipient, part), 0) = 1 AS flood
FROM (
    SELECT *, count(mark) OVER (PARTITION BY recipient ORDER BY time) AS part
    FROM (
        SELECT recipient, time, n, CASE
            WHEN n > 10 THEN 1
            WHEN n < 5 OR time > lag(time) OVER (PARTITION BY recipient ORDER BY time) + interval '10 minutes' THEN 0
        END AS mark
        FROM kpi_told_10m
    ) AS marked
) AS parts;

-- Three comings within a minute chatter.
CREATE VIEW kpi_chattering WITH (security_barrier) AS
SELECT rule, subject_kind, subject, enterprise, alert, time
FROM (
    SELECT *, lag(time, 2) OVER (PARTITION BY rule, subject_kind, subject ORDER BY time) AS third
    FROM kpi_alarms WHERE cause <> 'level'
) AS comings
WHERE time - third <= interval '1 minute';

-- Present for more than a day, and still open.
CREATE VIEW kpi_stale WITH (security_barrier) AS
SELECT alert, rule, subject_kind, subject, enterprise, level, began FROM kpi_active
WHERE present AND began < now() - interval '1 day';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'fengsui_reader') THEN
        GRANT SELECT ON kpi_alarms, kpi_active, kpi_unacknowledged, kpi_response, kpi_told_10m, kpi_flood_10m, kpi_chattering,
            kpi_stale TO fengsui_reader;
    END IF;
END $$;
