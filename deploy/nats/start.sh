#!/bin/sh
# Starts nats-server, and has it read its users again whenever the gatekeeper has written them (docs/security.md).
# Done in here, the gatekeeper needs neither our processes nor a privilege: all that we share with it is one folder.
set -eu
users=${USERS_FILE:-/users/users.conf}
pid_file=${PID_FILE:-/tmp/nats.pid}

# Before the gatekeeper ran for the first time there must be a list, and one that lets nobody in:
# without any user nats-server asks nobody for a password.
if [ ! -e "$users" ]; then
  umask 077
  secret=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  printf 'authorization { users = [ { user: "nobody yet", password: "%s" } ] }\n' "$secret" > "$users.first"
  # A link does not replace the list that may have come meanwhile.
  ln "$users.first" "$users" || true
  rm -f "$users.first"
fi
[ -s "$users" ] || { echo "$users is empty, which would let everybody in. Remove it and start again" >&2; exit 1; }

mark() { cksum < "$users" || true; }

rm -f "$pid_file"
seen=$(mark)
# $$ is nats-server as soon as it has taken our place.
while sleep 0.5 && kill -0 $$ 2> /dev/null; do
  now=$(mark)
  # Before it has written its number the signal would end it.
  if [ "$now" != "$seen" ] && [ -s "$pid_file" ] && kill -HUP $$; then seen=$now; fi
done &
exec nats-server "$@"
