-- Tables that are the same on plain PostgreSQL and with TimescaleDB.
-- Times that must survive a restart to the last nanosecond are bigint ns since 1970 (0 = not yet); views show timestamptz.

CREATE FUNCTION ns_time(ns bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
    RETURN timestamptz '1970-01-01 00:00:00+00' + (NULLIF(ns, 0) / 1000) * interval '1 microsecond';

-- What the installation is: 'samples' is 'native' or 'timescale'.
CREATE TABLE storage_meta (key text PRIMARY KEY, value text NOT NULL);

-- One pipeline at a time: each that takes over counts the epoch up, and every transaction of a pipeline asks for its own.
CREATE TABLE fence (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch bigint NOT NULL,
    holder text NOT NULL,
    taken timestamptz NOT NULL DEFAULT now()
);
INSERT INTO fence (epoch, holder) VALUES (0, '');

-- Up to which seq of batch_log something derived from it is done.
CREATE TABLE mark (name text PRIMARY KEY, seq bigint NOT NULL);
INSERT INTO mark VALUES ('ledger', 0), ('rollup', 0);

-- ── exact restart ────────────────────────────────────────────────────────────
-- One row per committed unit; deleted once two checkpoints are beyond it.  All columns EXTERNAL: compressing costs more
-- than the few minutes that a row lives.
CREATE TABLE batch_log (
    seq bigint PRIMARY KEY,
    nows bigint[] NOT NULL,        -- `now` of the silent ticks before it, then its own
    connected boolean NOT NULL,
    n_samples integer NOT NULL,
    samples bytea NOT NULL,        -- series int4[n], t int8[n], value float8[n], quality uint1[n], little-endian
    gateway integer[] NOT NULL,    -- the unit's part of the ledger, one element per gateway
    received integer[] NOT NULL,
    stored integer[] NOT NULL,
    duplicate integer[] NOT NULL,
    rejected integer[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, vacuum_truncate = false,
        toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 50000, toast.vacuum_truncate = false);
ALTER TABLE batch_log
    ALTER samples SET STORAGE EXTERNAL, ALTER gateway SET STORAGE EXTERNAL, ALTER received SET STORAGE EXTERNAL,
    ALTER stored SET STORAGE EXTERNAL, ALTER duplicate SET STORAGE EXTERNAL, ALTER rejected SET STORAGE EXTERNAL;

CREATE TABLE checkpoint (
    seq bigint PRIMARY KEY,
    created timestamptz NOT NULL DEFAULT now(),
    tick_nows bigint[] NOT NULL,   -- silent ticks after seq that the state has seen already
    meta jsonb NOT NULL,
    arrays jsonb NOT NULL,         -- [{name, descr, shape, offset, size}]
    size bigint NOT NULL,
    crcs bigint[] NOT NULL         -- crc32 of each chunk
);
CREATE TABLE checkpoint_chunk (
    seq bigint NOT NULL REFERENCES checkpoint ON DELETE CASCADE,
    n integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (seq, n)
) WITH (toast.vacuum_truncate = false);
ALTER TABLE checkpoint_chunk ALTER data SET STORAGE EXTERNAL;

-- ── ledger (law 1) ───────────────────────────────────────────────────────────
CREATE TABLE gateway_ledger (
    gateway integer PRIMARY KEY,   -- 0 = sender unknown
    received bigint NOT NULL,
    stored bigint NOT NULL,
    duplicate bigint NOT NULL,
    rejected bigint NOT NULL
) WITH (fillfactor = 50);

-- Exact at every moment: the table is brought up to date every few seconds, the rest is still in the log.
CREATE VIEW ledger AS
SELECT gateway, sum(received)::bigint AS received, sum(stored)::bigint AS stored,
       sum(duplicate)::bigint AS duplicate, sum(rejected)::bigint AS rejected
FROM (
    SELECT gateway, received, stored, duplicate, rejected FROM gateway_ledger
    UNION ALL
    SELECT u.* FROM batch_log
    CROSS JOIN LATERAL unnest(batch_log.gateway, batch_log.received, batch_log.stored, batch_log.duplicate, batch_log.rejected)
        AS u (gateway, received, stored, duplicate, rejected)
    WHERE seq > (SELECT seq FROM mark WHERE name = 'ledger')
) AS parts
GROUP BY gateway;

CREATE TABLE reject (
    time timestamptz NOT NULL,     -- arrival
    seq bigint NOT NULL,           -- the unit it came with
    n integer NOT NULL,            -- its place in the unit
    gateway integer NOT NULL,
    reason text NOT NULL,
    topic text NOT NULL,
    detail text NOT NULL,
    payload bytea,                 -- NULL: the same message as of row payload_n
    payload_n integer
) PARTITION BY RANGE (time);
CREATE INDEX reject_seq ON reject (seq, n);
CREATE INDEX reject_time ON reject (time);

CREATE VIEW rejects AS
SELECT r.time, r.gateway, r.reason, r.topic, r.detail,
       coalesce(r.payload, (SELECT o.payload FROM reject o WHERE o.seq = r.seq AND o.n = r.payload_n)) AS payload
FROM reject r;

-- ── latest value of every series ─────────────────────────────────────────────
-- Every row is written again and again: room for it on its own page (HOT), and no index but the key.
CREATE TABLE latest (
    time timestamptz NOT NULL,
    arrived timestamptz NOT NULL,
    value double precision NOT NULL,
    series_id integer PRIMARY KEY,
    quality smallint NOT NULL
) WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.5);

-- ── alerts ───────────────────────────────────────────────────────────────────
CREATE TABLE alert (
    id text PRIMARY KEY,
    rule text NOT NULL,
    rule_version text NOT NULL,
    subject_kind smallint NOT NULL,
    subject integer NOT NULL,
    series integer NOT NULL,
    enterprise integer NOT NULL,
    data_quality boolean NOT NULL,
    state text NOT NULL,
    suppression text NOT NULL,
    level smallint NOT NULL,
    level_now smallint NOT NULL,
    raised_ns bigint NOT NULL,
    changed_ns bigint NOT NULL,
    opened_ns bigint NOT NULL,
    value double precision NOT NULL,
    limit_value double precision NOT NULL,
    unit text NOT NULL,
    times integer NOT NULL,
    recovered_ns bigint NOT NULL,
    acked_ns bigint NOT NULL,
    acked_by text NOT NULL,
    closed_ns bigint NOT NULL,
    closed_by text NOT NULL,
    closing_note text NOT NULL,
    evidence text NOT NULL,
    seq integer NOT NULL,
    since_ns bigint NOT NULL,
    last_raise_ns bigint NOT NULL,
    last_clear_ns bigint NOT NULL,
    told text[] NOT NULL
);
-- At most one is open per (rule, subject): a second one would be a fault of ours, and must not be kept.
CREATE UNIQUE INDEX alert_open ON alert (rule, subject_kind, subject) WHERE closed_ns = 0;
CREATE INDEX alert_enterprise ON alert (enterprise, opened_ns DESC);
CREATE INDEX alert_opened ON alert (opened_ns DESC);
CREATE INDEX alert_closed ON alert (closed_ns DESC) WHERE closed_ns <> 0;

CREATE TABLE transition (
    alert text NOT NULL,
    seq integer NOT NULL,
    cause text NOT NULL,
    old text NOT NULL,
    new text NOT NULL,
    level smallint NOT NULL,
    t_ns bigint NOT NULL,
    now_ns bigint NOT NULL,
    by_whom text NOT NULL,
    note text NOT NULL,
    value double precision NOT NULL,
    PRIMARY KEY (alert, seq)
);
CREATE INDEX transition_now ON transition (now_ns DESC);

CREATE TABLE finding (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule text NOT NULL,
    subject_kind smallint NOT NULL,
    subject integer NOT NULL,
    level smallint NOT NULL,
    t_ns bigint NOT NULL,
    now_ns bigint NOT NULL,
    value double precision NOT NULL,
    limit_value double precision NOT NULL
);
CREATE INDEX finding_now ON finding (now_ns DESC);

-- What people ask of the desk.
CREATE TABLE command (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    alert text NOT NULL,
    by_whom text NOT NULL,
    note text NOT NULL,
    asked_ns bigint NOT NULL,
    answered_ns bigint NOT NULL DEFAULT 0,
    problem text NOT NULL DEFAULT ''
);
CREATE INDEX command_waiting ON command (id) WHERE answered_ns = 0;

-- Who asks takes a lock until the end of the transaction, so that ids become visible in their order and nobody who reads
-- "after the last one I saw" misses one.
CREATE FUNCTION ask(kind text, alert text, by_whom text, note text, asked_ns bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE new_id bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('fengsui_command'));
    INSERT INTO command (kind, alert, by_whom, note, asked_ns)
        VALUES (ask.kind, ask.alert, ask.by_whom, ask.note, ask.asked_ns) RETURNING id INTO new_id;
    NOTIFY fengsui_command;
    RETURN new_id;
END $$;

-- ── outbox ───────────────────────────────────────────────────────────────────
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    alert text NOT NULL,
    step text NOT NULL,
    recipient text NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    level smallint NOT NULL,
    title text NOT NULL,
    text_zh text NOT NULL,
    text_en text NOT NULL,
    link text NOT NULL,
    created_ns bigint NOT NULL,
    state text NOT NULL DEFAULT 'todo' CHECK (state IN (
        'todo',     -- to be sent at due_ns                 todo -> leased
        'leased',   -- a worker is sending; if it says nothing before due_ns, another may   leased -> sent, todo, dead, leased
        'sent',     -- the channel took it
        'dead'      -- given up; the reason says why
    )),
    due_ns bigint NOT NULL,
    worker text NOT NULL DEFAULT '',
    attempt integer NOT NULL DEFAULT 0,
    ended_ns bigint NOT NULL DEFAULT 0,
    reason text NOT NULL DEFAULT ''
) WITH (fillfactor = 80);
CREATE INDEX outbox_open ON outbox (level DESC, created_ns, id) WHERE state IN ('todo', 'leased');
CREATE INDEX outbox_alert ON outbox (alert);
CREATE INDEX outbox_ended ON outbox (ended_ns) WHERE state IN ('sent', 'dead');
CREATE INDEX outbox_dead ON outbox (ended_ns) WHERE state = 'dead';

-- One row per attempt, written when it begins: an attempt that never ended has no result.
CREATE TABLE receipt (
    outbox_id bigint NOT NULL REFERENCES outbox ON DELETE CASCADE,
    attempt integer NOT NULL,
    worker text NOT NULL,
    started_ns bigint NOT NULL,
    ended_ns bigint NOT NULL DEFAULT 0,
    result text NOT NULL DEFAULT '' CHECK (result IN ('', 'sent', 'retry', 'dead')),
    receipt text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    PRIMARY KEY (outbox_id, attempt)
);
