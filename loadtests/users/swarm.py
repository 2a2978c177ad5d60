"""Starts Locust's processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loadtests.users.environment import Told

_FOLDER: Final = Path(__file__).parent


def swarm(told: Told, kinds: Sequence[str], processes: int, out: Path) -> int:
    """Lets users at a running service until their shape is over.

    Args:
        told: Where they go and what they do.
        kinds: `Rest`, `Stream`, `Cascade`.
        processes: Processes of Locust that share the users.
        out: Where its HTML report is written.

    Returns:
        Its exit code: 1 where one request failed.
    """
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--html", str(out)]
    command += ["--locustfile", str(_FOLDER / "locustfile.py")]
    command += ["--processes", str(processes)] if processes > 1 else []
    path = os.pathsep.join(filter(None, (str(_FOLDER.parents[1]), os.environ.get("PYTHONPATH"))))
    environment = os.environ | told.variables() | {"PYTHONPATH": path}
    return subprocess.run([*command, *kinds], env=environment, check=False).returncode
