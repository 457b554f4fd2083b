-- What readers (Grafana, the console, people with psql) may count on; the same names and columns in both worlds.

CREATE VIEW readings AS
SELECT time, series_id, NULLIF(value, 'NaN') AS value, (quality & 3)::smallint AS quality,
       quality & 16 <> 0 AS late, quality & 32 <> 0 AS historical
FROM sample;

CREATE VIEW readings_1m AS
SELECT time, series_id, sum / n AS avg, min, max, n, sum FROM rollup_1m;

CREATE VIEW readings_1h AS
SELECT time, series_id, sum / n AS avg, min, max, n, sum FROM rollup_1h;

CREATE VIEW alerts AS
SELECT id, rule, rule_version, subject_kind, subject, series, enterprise, data_quality, state, suppression,
       level, level_now, ns_time(raised_ns) AS raised, ns_time(changed_ns) AS changed, ns_time(opened_ns) AS opened,
       NULLIF(value, 'NaN') AS value, NULLIF(limit_value, 'NaN') AS "limit", unit, times,
       ns_time(recovered_ns) AS recovered, ns_time(acked_ns) AS acked, acked_by,
       ns_time(closed_ns) AS closed, closed_by, closing_note
FROM alert;

CREATE VIEW alerts_open AS SELECT * FROM alerts WHERE closed IS NULL;

CREATE VIEW transitions AS
SELECT alert, seq, cause, old, new, level, ns_time(t_ns) AS time, ns_time(now_ns) AS noticed, by_whom, note,
       NULLIF(value, 'NaN') AS value
FROM transition;

CREATE VIEW findings AS
SELECT id, rule, subject_kind, subject, level, ns_time(t_ns) AS time, ns_time(now_ns) AS noticed,
       NULLIF(value, 'NaN') AS value, NULLIF(limit_value, 'NaN') AS "limit"
FROM finding;

CREATE VIEW notifications AS
SELECT id, alert, step, recipient, channel, level, title, ns_time(created_ns) AS created, state, attempt,
       ns_time(ended_ns) AS ended, reason
FROM outbox;
