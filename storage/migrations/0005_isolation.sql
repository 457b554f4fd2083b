-- Who reads what, for readers that write their own SQL: Grafana, people with psql.  docs/security.md.
-- The owner of the tables (the service) and its members see everything; any other role sees what reader_scope gives it, and
-- without a row there nothing.  By role and not by a setting: whoever writes SQL could change a setting.

CREATE TABLE reader_scope (
    role text NOT NULL,
    everything boolean NOT NULL DEFAULT false,
    enterprise_id integer,         -- this enterprise
    area_id integer,               -- all enterprises of this area and of the areas below it
    department text,               -- all enterprises of this competent department
    CHECK (everything::int + (enterprise_id IS NOT NULL)::int + (area_id IS NOT NULL)::int + (department IS NOT NULL)::int = 1),
    UNIQUE NULLS NOT DISTINCT (role, everything, enterprise_id, area_id, department)
);

CREATE FUNCTION reader_sees_all(who name) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT pg_has_role(who, (SELECT relowner FROM pg_class WHERE oid = 'reader_scope'::regclass), 'MEMBER')
        OR EXISTS (SELECT FROM reader_scope WHERE role = who AND everything)
$$;

CREATE FUNCTION reader_enterprises(who name) RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH RECURSIVE below AS (
        SELECT area_id AS id FROM reader_scope WHERE role = who AND area_id IS NOT NULL
        UNION SELECT a.id FROM registry_area a JOIN below ON a.parent_id = below.id
    )
    SELECT e.id FROM registry_enterprise e
    WHERE e.id IN (SELECT enterprise_id FROM reader_scope WHERE role = who)
       OR e.area_id IN (SELECT id FROM below)
       OR e.department IN (SELECT department FROM reader_scope WHERE role = who)
$$;

CREATE FUNCTION reader_gateways(who name) RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id FROM registry_gateway WHERE enterprise_id IN (SELECT reader_enterprises(who))
$$;

CREATE FUNCTION reader_series(who name) RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.id FROM registry_series s JOIN registry_device d ON d.id = s.device_id
    WHERE d.gateway_id IN (SELECT reader_gateways(who))
$$;

CREATE FUNCTION reader_alerts(who name) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id FROM alert WHERE enterprise IN (SELECT reader_enterprises(who))
$$;

-- ── tables that readers query themselves: row-level security ─────────────────
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('registry_area', 'true'),
        ('registry_enterprise', 'id IN (SELECT reader_enterprises(current_user))'),
        ('registry_gateway', 'id IN (SELECT reader_gateways(current_user))'),
        ('registry_device', 'gateway_id IN (SELECT reader_gateways(current_user))'),
        ('registry_series', 'id IN (SELECT reader_series(current_user))'),
        ('registry_limit', 'series_id IN (SELECT reader_series(current_user))'),
        ('latest', 'series_id IN (SELECT reader_series(current_user))')
    ) AS t (name, sees) LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', one.name);
        EXECUTE format(
            'CREATE POLICY reader ON %I FOR SELECT USING ((SELECT reader_sees_all(current_user)) OR %s)', one.name, one.sees);
    END LOOP;
END $$;

-- ── views over what nobody else may touch ────────────────────────────────────
-- They run with their owner's rights, so the filter is in the view: a hypertable with compression can have no row-level
-- security.  security_barrier: no function of the reader's sees a row before the filter has.
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('readings', 'series_id IN (SELECT reader_series(current_user))'),
        ('readings_1m', 'series_id IN (SELECT reader_series(current_user))'),
        ('readings_1h', 'series_id IN (SELECT reader_series(current_user))'),
        ('alerts', 'enterprise IN (SELECT reader_enterprises(current_user))'),
        ('transitions', 'alert IN (SELECT reader_alerts(current_user))'),
        ('notifications', 'alert IN (SELECT reader_alerts(current_user))'),
        ('findings', 'CASE subject_kind WHEN 1 THEN subject IN (SELECT reader_series(current_user))'
            ' WHEN 2 THEN subject IN (SELECT id FROM registry_device WHERE gateway_id IN (SELECT reader_gateways(current_user)))'
            ' WHEN 3 THEN subject IN (SELECT reader_gateways(current_user))'
            ' WHEN 4 THEN subject IN (SELECT reader_enterprises(current_user)) ELSE false END'),
        ('ledger', 'gateway IN (SELECT reader_gateways(current_user))'),
        ('rejects', 'gateway IN (SELECT reader_gateways(current_user))'),
        ('series_info', 'series_id IN (SELECT reader_series(current_user))')
    ) AS t (name, sees) LOOP
        EXECUTE format(
            'CREATE OR REPLACE VIEW %I WITH (security_barrier) AS SELECT * FROM (%s) AS all_of_it '
            'WHERE (SELECT reader_sees_all(current_user)) OR %s',
            one.name, rtrim(pg_get_viewdef(one.name::regclass), '; '), one.sees);
    END LOOP;
END $$;

-- ── what readers may ask for at all ──────────────────────────────────────────
-- The role belongs to the whole server: there already, or not ours to make (then `fengsui reader` says what to do).
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fengsui_reader') THEN
        CREATE ROLE fengsui_reader NOLOGIN;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'role fengsui_reader is not there and cannot be made';
    WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'fengsui_reader') THEN
        GRANT USAGE ON SCHEMA public TO fengsui_reader;
        GRANT SELECT ON readings, readings_1m, readings_1h, alerts, alerts_open, transitions, findings, notifications, ledger,
            rejects, series_info, latest, registry_area, registry_enterprise, registry_gateway, registry_device,
            registry_series, registry_limit TO fengsui_reader;
    END IF;
END $$;
