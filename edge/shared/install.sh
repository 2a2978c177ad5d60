#!/usr/bin/env bash
# Installs AWARE-NET on a small device. Not called by hand: each device's own install.sh sets what differs.
#   DEVICE   its folder below edge/            ENGINE   engine of `awarenet edge run`
#   MACHINE  what `uname -m` must say          EXTRAS   extras of the package, with commas
#   WANTED   packages of the distribution, with spaces
#   check_device   a function that refuses what is not this device; may be absent
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
prefix=${AWARENET_PREFIX:-}
source_options="" models="" python="" dry=""

usage() {
    cat <<TEXT
Usage: edge/$DEVICE/install.sh --source OPTIONS [--models SOURCE] [--python PYTHON] [--dry-run]
  --source OPTIONS  options of \`awarenet edge run\`, such as "--camera 0 --send https://host/events"
  --models SOURCE   a folder or archive, as of \`awarenet models fetch\` [model_repository of this checkout]
  --python PYTHON   Python 3.10 to 3.12 [the first found]
  --dry-run         print what would be done
TEXT
}

fail() {
    echo "install: $*" >&2
    exit 1
}

run() {
    if [ -n "$dry" ]; then
        printf '%q ' "$@"
        echo
    else
        "$@"
    fi
}

while [ $# -gt 0 ]; do
    case $1 in
        --source) source_options=${2:?"--source needs options"} && shift 2 ;;
        --models) models=${2:?"--models needs a source"} && shift 2 ;;
        --python) python=${2:?"--python needs a program"} && shift 2 ;;
        --dry-run) dry=yes && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && fail "unknown option $1" ;;
    esac
done

[ -n "$source_options" ] || { usage >&2; fail "--source is missing: say what is looked at"; }
[ "$(uname -m)" = "$MACHINE" ] || fail "this machine is $(uname -m), edge/$DEVICE is for $MACHINE; take another folder of edge/"
[ -n "$dry" ] || [ "$(id -u)" = 0 ] || fail "only root can install a service; use sudo"
if declare -F check_device >/dev/null; then check_device; fi

if [ -z "$python" ]; then
    for candidate in python3 python3.11 python3.12 python3.10; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
fi
[ -n "$python" ] || fail "no Python 3.10 to 3.12 found; install one, or name it with --python"

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$root/awarenet/__init__.py")
home=$prefix/opt/awarenet/$version-$(date -u +%Y%m%d%H%M%S)
state=$prefix/var/lib/awarenet
settings=$prefix/etc/awarenet/edge.env

if command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086  # several words
    run apt-get install --yes --no-install-recommends $WANTED
fi
if ! id awarenet >/dev/null 2>&1; then
    run useradd --system --user-group --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin awarenet
fi

run install -d -m 0755 "$prefix/opt/awarenet" "$prefix/etc/awarenet"
run "$python" -m venv "$home"
run "$home/bin/pip" install --quiet --constraint "$root/constraints.txt" "${root}[$EXTRAS]"
run install -d -m 0750 -o awarenet -g awarenet "$state"
run runuser -u awarenet -- "$home/bin/awarenet" models fetch "${models:-$root/model_repository}" "$state/models"

if [ ! -e "$settings" ]; then
    fresh=$(mktemp)
    printf 'AWARENET_EDGE_ARGUMENTS=--engine %s %s\n# AWARENET_EDGE_TOKEN=\n' "$ENGINE" "$source_options" >"$fresh"
    run install -m 0640 -o root -g awarenet "$fresh" "$settings"
    rm "$fresh"
fi
run install -d -m 0755 "$prefix/etc/systemd/system/awarenet-edge.service.d"
run install -m 0644 "$root/edge/shared/awarenet-edge.service" "$prefix/etc/systemd/system/awarenet-edge.service"
if [ -e "$root/edge/$DEVICE/device.conf" ]; then
    run install -m 0644 "$root/edge/$DEVICE/device.conf" "$prefix/etc/systemd/system/awarenet-edge.service.d/device.conf"
fi

# Last: until here nothing that runs was touched, and a power cut changes nothing.
run ln -sfn "$home" "$prefix/opt/awarenet/next"
run mv -T "$prefix/opt/awarenet/next" "$prefix/opt/awarenet/current"
run systemctl daemon-reload
run systemctl enable awarenet-edge
run systemctl restart awarenet-edge
echo "installed: systemctl status awarenet-edge; edge/shared/health.sh"
