#!/usr/bin/env bash
# Whether the installed service is well: exit code 0, or 1 with the reason. Options are those of `awarenet edge health`.
set -euo pipefail

state=$(systemctl is-active awarenet-edge || true)
if [ "$state" != active ]; then
    echo "awarenet-edge is $state; see: journalctl -u awarenet-edge" >&2
    exit 1
fi
exec /opt/awarenet/current/bin/awarenet edge health --state /run/awarenet "$@"
