"""The machine and the versions behind the figures, and what a process tree keeps in memory."""

from __future__ import annotations

import os
import platform
import resource
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from awarenet.errors import StartupError

_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
_PACKAGES = (
    "numpy",
    "onnxruntime",
    "openvino",
    "tritonclient",
    "nvidia-pytriton",
    "torch",
    "timm",
    "fastapi",
    "uvicorn",
)


def describe() -> dict[str, Any]:
    """Processor, its vector units, cores, load before the run, and versions."""
    info = dict(
        line.split("\t", 1) for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "\t" in line
    )
    fields = {name.strip(): value.lstrip("\t: ") for name, value in info.items()}
    flags = set(fields.get("flags", "").split())
    return {
        "cpu": fields.get("model name", platform.processor()),
        "flags": [flag for flag in _FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def allow_descriptors(wanted: int) -> int:
    """Raises the limit of open files of this process, and of those that it starts.

    Args:
        wanted: How many are needed.

    Returns:
        The limit now.

    Raises:
        StartupError: The system does not allow as many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise StartupError(
            f"{wanted:,} open files are needed and {hard:,} are allowed; "
            f"raise the hard limit (`ulimit -Hn {wanted}` as root) or take fewer connections"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def tree_memory(pid: int) -> dict[str, Any]:
    """Resident memory of a process and all below it.

    Args:
        pid: The root of the tree.

    Returns:
        `rss_mb` (sum; pages shared by several processes count in each), `pss_mb` (sum; shared pages count once in all),
        and `processes`, each with name, `rss_mb`, `pss_mb`. Megabytes are 2^20 bytes.
    """
    root = psutil.Process(pid)
    processes = []
    for process in (root, *root.children(recursive=True)):
        memory = process.memory_full_info()
        name = " ".join(Path(part).name for part in process.cmdline()[:4]) or process.name()
        processes.append({"name": name, "rss_mb": memory.rss / 2**20, "pss_mb": memory.pss / 2**20})
    return {
        "rss_mb": sum(entry["rss_mb"] for entry in processes),
        "pss_mb": sum(entry["pss_mb"] for entry in processes),
        "processes": processes,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
