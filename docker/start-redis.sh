#!/bin/sh
# Starts the server with docker/redis.conf and the password from its secret. The password goes in by
# standard input: on the command line `ps` would show it.
set -eu
password="$(cat "${REDIS_PASSWORD_FILE:?names the file with the password}")"
case "$password" in
  '' | *[!A-Za-z0-9]*)
    echo "start-redis: the password must be letters and digits, and not empty" >&2
    exit 78
    ;;
esac
exec "${REDIS_SERVER:-valkey-server}" - <<EOF
$(cat "${REDIS_CONF:-/etc/tocsin/redis.conf}")
requirepass $password
EOF
