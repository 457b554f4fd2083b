-- ── handling and deadlines ───────────────────────────────────────────────────
ALTER TABLE alert
    ADD COLUMN stage text NOT NULL DEFAULT 'new',
    ADD COLUMN handler text NOT NULL DEFAULT '',
    ADD COLUMN handling_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN measure text NOT NULL DEFAULT '',
    ADD COLUMN done_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN proof text NOT NULL DEFAULT '',
    ADD COLUMN reported_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN reported_by text NOT NULL DEFAULT '',
    ADD COLUMN reviewed_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN reviewer text NOT NULL DEFAULT '',
    ADD COLUMN rejections integer NOT NULL DEFAULT 0,
    ADD COLUMN false_alarm boolean NOT NULL DEFAULT false,
    ADD COLUMN merged_into text NOT NULL DEFAULT '',
    ADD COLUMN exercise boolean NOT NULL DEFAULT false,
    ADD COLUMN reopened integer NOT NULL DEFAULT 0,
    ADD COLUMN expected_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN tier integer NOT NULL DEFAULT 0,
    ADD COLUMN owing_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN overdue integer NOT NULL DEFAULT 0,
    ADD COLUMN reached_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN alarmed_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN raises bigint[] NOT NULL DEFAULT '{}';

-- What is open counts its deadlines from the upgrade: no storm of what would have been overdue long ago.
UPDATE alert SET stage = 'closed' WHERE closed_ns <> 0;
UPDATE alert SET expected_ns = t.now_ns, owing_ns = CASE WHEN data_quality THEN 0 ELSE t.now_ns END,
                 reached_ns = t.now_ns, alarmed_ns = t.now_ns, raises = ARRAY[last_raise_ns]
FROM (SELECT (extract(epoch FROM now()) * 1000000)::bigint * 1000 AS now_ns) AS t WHERE closed_ns = 0;

-- Red alerts of which nobody is known to have been reached: the watchdog looks at these every second.
CREATE INDEX alert_unreached ON alert (id)
    WHERE closed_ns = 0 AND level = 4 AND NOT data_quality AND reached_ns < expected_ns;

-- ── the chain over the history (docs/adr/0005) ───────────────────────────────
-- n counts every line of the installation from 1 without a hole; 0: written before there was a chain.
ALTER TABLE transition
    ADD COLUMN stage text NOT NULL DEFAULT '',
    ADD COLUMN detail text NOT NULL DEFAULT '',
    ADD COLUMN n bigint NOT NULL DEFAULT 0,
    ADD COLUMN hash text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX transition_n ON transition (n) WHERE n > 0;

CREATE TABLE chain (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    n bigint NOT NULL,
    hash text NOT NULL,
    began_ns bigint NOT NULL
);
INSERT INTO chain (n, hash, began_ns) VALUES (0, '', (extract(epoch FROM now()) * 1000000)::bigint * 1000);

-- The head of the chain at the first line of each day: copy it to a place that this database cannot reach.
CREATE TABLE anchor (day date PRIMARY KEY, n bigint NOT NULL, hash text NOT NULL, made_ns bigint NOT NULL);

-- ── what people ask ──────────────────────────────────────────────────────────
-- detail: a JSON object, what the kind of the command needs; "" for nothing.
ALTER TABLE command ADD COLUMN detail text NOT NULL DEFAULT '';
DROP FUNCTION ask(text, text, text, text, bigint);
CREATE FUNCTION ask(kind text, alert text, by_whom text, note text, asked_ns bigint, detail text DEFAULT '')
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE new_id bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('fengsui_command'));
    INSERT INTO command (kind, alert, by_whom, note, asked_ns, detail)
        VALUES (ask.kind, ask.alert, ask.by_whom, ask.note, ask.asked_ns, ask.detail) RETURNING id INTO new_id;
    NOTIFY fengsui_command;
    RETURN new_id;
END $$;

-- ── shelving and maintenance windows ─────────────────────────────────────────
CREATE TABLE shelf (
    id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('shelved', 'out_of_service')),
    rule text NOT NULL,            -- '' = every rule
    subject_kind smallint NOT NULL,
    subject integer NOT NULL,
    enterprise integer NOT NULL,
    start_ns bigint NOT NULL,
    until_ns bigint NOT NULL,
    reason text NOT NULL,
    by_whom text NOT NULL,
    made_ns bigint NOT NULL,
    begun_ns bigint NOT NULL,
    ended_ns bigint NOT NULL,      -- 0: in force or yet to come
    ended_by text NOT NULL
);
CREATE INDEX shelf_open ON shelf (until_ns) WHERE ended_ns = 0;

-- ── notes that are held back ─────────────────────────────────────────────────
ALTER TABLE outbox DROP CONSTRAINT outbox_state_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_state_check CHECK (state IN (
    'held',     -- the desk looks at it again at due_ns; the reason says why      held -> todo, carried
    'carried',  -- its message went out in the digest carried_by
    'todo', 'leased', 'sent', 'dead'));
ALTER TABLE outbox ADD COLUMN carried_by text NOT NULL DEFAULT '';
CREATE INDEX outbox_held ON outbox (created_ns) WHERE state = 'held';
CREATE INDEX outbox_carried ON outbox (carried_by) WHERE carried_by <> '';
CREATE INDEX outbox_created ON outbox (created_ns);
