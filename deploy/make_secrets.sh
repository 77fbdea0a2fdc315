#!/bin/sh
# Makes the passwords that docker-compose.yml wants, each once; what is there stays.
#   deploy/make_secrets.sh
# The folder is closed to other users of this machine. The files in it are not: in the containers they are read by
# users who are not root.
set -eu
cd "$(dirname "$0")/secrets"
chmod 700 .
password() { head -c 36 /dev/urandom | base64 | tr '+/' '-_'; } # 48 characters that a URL takes
write() { [ -s "$1" ] || { printf '%s\n' "$2" >"$1" && chmod 444 "$1" && echo "made deploy/secrets/$1"; }; }

redis=$(sed -n 's/^requirepass //p' redis_auth.conf 2>/dev/null || true)
redis=${redis:-$(password)}
write redis_auth.conf "requirepass $redis"
write skiprnn_store_url "redis://:$redis@redis:6379/0"
write ticket_secret "$(password)"
write grafana_password "$(password)"
