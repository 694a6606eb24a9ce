#!/bin/bash
# Makes the system users that the components drop to, as an installation does; silent when they are there.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly described=systemd/sysusers.d/rempart.conf
if command -v systemd-sysusers >/dev/null; then
    exec systemd-sysusers "$PWD/$described"
fi
while read -r kind user _; do
    [ "$kind" = u ] || continue
    getent passwd "$user" >/dev/null || useradd --system --no-create-home --shell /usr/sbin/nologin "$user"
done <"$described"
