-- What Grafana may read: views and names, and nothing that holds an address, a password or a session.
-- Run after every migration, as the owner: psql -v ON_ERROR_STOP=1 -f deploy/reader.sql
-- The role itself is made with the database, because it needs a password (deploy/timescaledb/10-roles.sh).
GRANT USAGE ON SCHEMA public TO grafana;
GRANT SELECT ON readings, readings_1m, readings_1h, alerts, alerts_open, transitions, findings, notifications,
    ledger, latest, registry_area, registry_enterprise, registry_gateway, registry_device, registry_series, registry_limit
    TO grafana;
GRANT SELECT ON series_info, rule_words TO grafana;
-- Of those it sees all: it is the command centre's. A Grafana for one area has a role of its own (docs/security.md).
INSERT INTO reader_scope (role, everything) VALUES ('grafana', true) ON CONFLICT DO NOTHING;
