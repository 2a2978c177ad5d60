"""Where the programs of Prometheus and Alertmanager are: on PATH, or where `make prometheus` unpacks them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final, Literal

from awarenet.errors import ConfigurationError

UNPACKED: Final = Path(__file__).parents[1] / "build" / "prometheus" / "usr" / "bin"

_TEMPLATES: Final = Path("/usr/share/prometheus/alertmanager/default.tmpl")
"""Where Debian's Alertmanager reads its own templates, wherever it lies itself."""

Program = Literal["prometheus", "promtool", "prometheus-alertmanager", "amtool"]


def find(program: Program) -> Path:
    """The path of a program.

    Raises:
        ConfigurationError: It is not here, or it could not start.
    """
    found = shutil.which(program) or shutil.which(program, path=str(UNPACKED))
    if found is None:
        raise ConfigurationError(f"no {program} on PATH or in {UNPACKED}; run `make prometheus`")
    if program == "prometheus-alertmanager" and UNPACKED in Path(found).parents and not _TEMPLATES.is_file():
        raise ConfigurationError(
            f"Debian's Alertmanager needs {_TEMPLATES}; run `make prometheus` as root, or install the package "
            "prometheus-alertmanager"
        )
    return Path(found)
