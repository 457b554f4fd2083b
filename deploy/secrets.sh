#!/bin/sh
# Makes deploy/secrets/: one file per secret, random, kept when it is there already.
# docker compose mounts each file only into the containers that need it; none of them is in an image or a variable.
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 022
mkdir -p "$folder"
# The files must be readable by the containers' users; the folder keeps everybody else out.
chmod 700 "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$folder/$1" ] || printf '%s' "$2" > "$folder/$1"; }
value() { cat "$folder/$1"; }

keep postgres_password "$(random)"
keep database_password "$(random)"
keep grafana_database_password "$(random)"
keep grafana_admin_password "$(random)"
keep console_secret_key "$(random)$(random)"
keep mqtt_password "$(random)"
# Whoever may connect and knows it can end the pipeline's session.
keep mqtt_client_id "fengsui-$(random)"
keep database_dsn "host=timescaledb dbname=fengsui user=fengsui password=$(value database_password)"
echo "$folder: $(ls "$folder" | wc -l | tr -d ' ') secrets"
