"""A process that leaks on purpose, slowly, until its standard input ends: what `soak` must catch."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path
from typing import Final

_EVERY_S: Final = 0.02
_BYTES: Final = 20_000


def main() -> None:
    """Leaks 1 MB of memory, 50 open files and 1 MB of `/dev/shm` a second."""
    kept: list[bytes] = []
    shared = Path(f"/dev/shm/awarenet-leak-{os.getpid()}")
    limit = 15_000
    try:
        with shared.open("ab") as file:
            sys.stdout.write("leaking\n")
            sys.stdout.flush()
            while not select.select([sys.stdin], [], [], _EVERY_S)[0] and len(kept) < limit:
                kept.append(os.urandom(_BYTES))
                os.open(os.devnull, os.O_RDONLY)
                file.write(bytes(_BYTES))
                file.flush()
    finally:
        shared.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
