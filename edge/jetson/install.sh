#!/usr/bin/env bash
# An NVIDIA Jetson with JetPack 6; see README.md.
set -euo pipefail

check_device() {
    [ -e /etc/nv_tegra_release ] || fail "no /etc/nv_tegra_release: this is no Jetson with JetPack"
    grep -q '^# R36 ' /etc/nv_tegra_release || fail "JetPack 6 (L4T R36) is needed, this is $(head -1 /etc/nv_tegra_release)"
}

# shellcheck disable=SC2034  # read by shared/install.sh
DEVICE=jetson MACHINE=aarch64 ENGINE=${AWARENET_ENGINE:-cpu} EXTRAS=models WANTED="python3-venv gcc libc6-dev"
# shellcheck source=edge/shared/install.sh
. "$(dirname "${BASH_SOURCE[0]}")/../shared/install.sh"
