"""Where the programs of Prometheus and Alertmanager are: on PATH, or where `make prometheus` unpacks them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final, Literal

from awarenet.errors import ConfigurationError

UNPACKED: Final = Path(__file__).parents[1] / "build" / "prometheus" / "usr" / "bin"

Program = Literal["prometheus", "promtool", "prometheus-alertmanager", "amtool"]


def find(program: Program) -> Path:
    """The path of a program.

    Raises:
        ConfigurationError: It is not here.
    """
    found = shutil.which(program) or shutil.which(program, path=str(UNPACKED))
    if found is None:
        raise ConfigurationError(f"no {program} on PATH or in {UNPACKED}; run `make prometheus`")
    return Path(found)
