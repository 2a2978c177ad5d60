#!/usr/bin/env bash
# Ends an Envoy without failing a request; Kubernetes runs it before SIGTERM, at which Envoy drops what is under way.
#
#   drain-envoy.sh ADMIN_PORT NOTICE_SECONDS MOST_SECONDS
#
# 1. Health checks fail from now on, and every answer asks its client to connect anew, elsewhere.
# 2. Load balancers get time to notice.
# 3. New connections are refused, and what is under way gets its time.
#
# The image has no curl: bash itself speaks HTTP.
set -euo pipefail
port=$1 notice=$2 most=$3

ask() { # METHOD PATH: prints the answer's body
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$port"
  printf '%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" >&3
  while IFS= read -r line <&3; do [[ $line != $'\r' ]] || break; done
  cat <&3
  exec 3>&-
}

under_way() {
  ask GET '/stats?filter=%5Ehttp%5C.(edge%7Ctriton)%5C.downstream_rq_active%24' |
    grep -oE ': [0-9]+' | { total=0; while read -r _ count; do ((total += count)) || true; done; echo "$total"; }
}

ask POST /healthcheck/fail >/dev/null
sleep "$notice"
ask POST '/drain_listeners?inboundonly' >/dev/null
for ((waited = 0; waited < most; waited++)); do
  [[ $(under_way) != 0 ]] || exit 0
  sleep 1
done
echo "drain: $(under_way) requests are still under way after $most s" >&2
