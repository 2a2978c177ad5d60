#!/usr/bin/env bash
# A Raspberry Pi 4 or 5 with a 64-bit system; see README.md.
set -euo pipefail

# shellcheck disable=SC2034  # read by shared/install.sh
DEVICE=raspberry-pi MACHINE=aarch64 ENGINE=cpu EXTRAS=models WANTED="python3-venv gcc libc6-dev"
# shellcheck source=edge/shared/install.sh
. "$(dirname "${BASH_SOURCE[0]}")/../shared/install.sh"
