"""`python -m tests.fuzz MINUTES`: fuzzes pictures, then clips; whatever is found stays in `build/fuzz/`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.corpus import write_clips, write_pictures

FOUND: Final = Path("build/fuzz")
TARGETS: Final = {"pictures": write_pictures, "clips": write_clips}


def main(minutes: float) -> int:
    """Fuzzes each target for its share of the time.

    Args:
        minutes: In all.

    Returns:
        0 if nothing was found.
    """
    broken = 0
    for target, write in TARGETS.items():
        corpus = FOUND / f"corpus-{target}"
        corpus.mkdir(parents=True, exist_ok=True)
        write(corpus)
        options = [
            f"-max_total_time={round(60 * minutes / len(TARGETS))}",
            "-max_len=65536",
            "-timeout=30",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            f"-artifact_prefix={FOUND}/{target}-",
        ]
        command = [sys.executable, "-m", "tests.fuzz.media", target, str(corpus), *options]
        broken += subprocess.run(command, check=False).returncode != 0
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
