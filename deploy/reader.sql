-- What Grafana may read: views and names, and nothing that holds an address, a password or a session.
-- Run after every migration, as the owner: psql -v ON_ERROR_STOP=1 -f deploy/reader.sql
-- The role itself is made with the database (deploy/timescaledb/10-roles.sh), because it needs a password.
GRANT USAGE ON SCHEMA public TO grafana;
GRANT SELECT ON readings, readings_1m, readings_1h, alerts, alerts_open, transitions, findings, notifications,
    ledger, latest, registry_area, registry_enterprise, registry_gateway, registry_device, registry_series, registry_limit
    TO grafana;
-- A forgotten wall must not hold the database up.
ALTER ROLE grafana SET statement_timeout = '30s';
