#!/bin/sh
# Runs once, when the database is made: the service's role owns it, Grafana's role may connect.
# What Grafana may read is granted after the migrations (deploy/reader.sql).
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    -v service="$(cat /run/secrets/database_password)" -v grafana="$(cat /run/secrets/grafana_database_password)" <<'SQL'
CREATE ROLE fengsui LOGIN PASSWORD :'service';
CREATE ROLE grafana LOGIN PASSWORD :'grafana';
CREATE DATABASE fengsui OWNER fengsui;
REVOKE CONNECT ON DATABASE fengsui FROM PUBLIC;
GRANT CONNECT ON DATABASE fengsui TO grafana;
-- A forgotten wall must not hold the database up.
ALTER ROLE grafana SET statement_timeout = '30s';
SQL
# The extension belongs to the superuser; its owner may use it all the same.
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname fengsui -c 'CREATE EXTENSION IF NOT EXISTS timescaledb'
