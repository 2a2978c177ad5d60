#!/usr/bin/env bash
# A mini PC with a processor, GPU or NPU of Intel; see README.md.
set -euo pipefail

# shellcheck disable=SC2034  # read by shared/install.sh
DEVICE=intel MACHINE=x86_64 ENGINE=${AWARENET_ENGINE:-cpu} EXTRAS=models,openvino WANTED="python3-venv gcc libc6-dev"
# shellcheck source=edge/shared/install.sh
. "$(dirname "${BASH_SOURCE[0]}")/../shared/install.sh"
