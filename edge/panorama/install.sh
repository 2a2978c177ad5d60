#!/usr/bin/env bash
# AWS Panorama is at its end of life, and nothing is installed on it; see README.md.
set -euo pipefail

echo "install: AWS Panorama is at its end of life; edge/panorama/README.md says what to use in its place" >&2
exit 1
