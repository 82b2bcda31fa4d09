#!/bin/sh
# Writes the secret that docker-compose.yml mounts, once. An existing one is kept.
# The folder is closed to others; the file is readable, because the user in the container is another one.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 0700 secrets
if [ -e secrets/redis_password ]; then
  echo "docker/secrets/redis_password is there already; nothing to do" >&2
  exit 0
fi
od -An -tx1 -N32 /dev/urandom | tr -d ' \n' >secrets/redis_password
chmod 0444 secrets/redis_password
echo "wrote docker/secrets/redis_password" >&2
