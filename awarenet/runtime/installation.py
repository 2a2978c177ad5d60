"""Finds a Triton to run: `tritonserver` on PATH, as in NVIDIA's container, or the one that a Python wheel carries."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import awarenet
from awarenet.errors import StartupError

Target = Literal["embedded", "onnxruntime", "tensorrt"]
TARGETS: Final[tuple[Target, ...]] = ("embedded", "onnxruntime", "tensorrt")
"""What runs the networks: the Python backend over ONNX Runtime, Triton's own ONNX Runtime backend, or TensorRT."""

_SMALL: Final = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""Variables that keep the embedded target's processes small: large arrays go back to the system when they are freed."""


@dataclass(frozen=True)
class Installation:
    """A Triton server and what it needs to run our models.

    Attributes:
        binary: The `tritonserver` program.
        target: What runs the networks.
        environment: Its environment variables.
        backends: Files to lie in its folder for the Python backend, by name; empty where it has its own.
    """

    binary: Path
    target: Target
    environment: dict[str, str]
    backends: dict[str, Path]

    @classmethod
    def find(cls, target: Target | None = None, *, plans: bool = False) -> Installation:
        """Finds the server.

        Args:
            target: What shall run the networks; None for the fastest that the server and the models allow.
            plans: Whether the models come with TensorRT plans for this machine.

        Raises:
            StartupError: There is none, or it cannot run this Python.
        """
        on_path = shutil.which("tritonserver")
        if on_path:
            chosen = target or ("tensorrt" if plans else "onnxruntime")
            return cls(Path(on_path), chosen, _environment([]), {})
        if target not in (None, "embedded"):
            raise StartupError(
                f"the target {target} needs NVIDIA's Triton container, whose tritonserver is on PATH; "
                "the one in the Python wheel runs `embedded` alone"
            )
        spec = importlib.util.find_spec("pytriton")  # Found, not imported: it costs memory.
        if spec is None or not spec.submodule_search_locations:
            raise StartupError(
                "no tritonserver: neither on PATH nor in the wheel; `pip install 'awarenet[serve]'`, "
                "or start from NVIDIA's Triton container"
            )
        package = Path(next(iter(spec.submodule_search_locations)))
        server = package / "tritonserver"
        backend = server / "backends" / "python"
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
        if not stub.is_file():
            raise StartupError(
                f"the Triton of nvidia-pytriton cannot run Python {version}; use Python 3.10, 3.11 or 3.12"
            )
        files = {path.name: path for path in (*backend.iterdir(), stub) if path.is_file()}
        return cls(
            server / "bin" / "tritonserver",
            "embedded",
            _environment([_python_library(), package.parent / "nvidia_pytriton.libs"]),
            files,
        )

    def backend_directory(self, folder: Path) -> Path | None:
        """Puts the backends into `folder`; None where the server has its own."""
        if not self.backends:
            return None
        (folder / "python").mkdir(parents=True)
        for name, path in self.backends.items():
            (folder / "python" / name).symlink_to(path)
        return folder


def python_path() -> str:
    """PYTHONPATH with which another interpreter finds what this one finds."""
    packages = [str(Path(awarenet.__file__).parents[1]), *(path for path in sys.path if path)]
    return os.pathsep.join(dict.fromkeys(packages))


def _python_library() -> Path:
    """The folder of this Python's shared library, which the stub is linked to.

    Raises:
        StartupError: This Python has none.
    """
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    folders = [Path(sysconfig.get_config_var(key) or "") for key in ("LIBDIR", "LIBPL")]
    folders += [Path(sys.base_prefix) / "lib", Path("/usr/lib") / (sysconfig.get_config_var("MULTIARCH") or "")]
    for folder in folders:
        if (folder / name).is_file():
            return folder
    raise StartupError(
        f"{name} was not found, which Triton's Python backend needs; install it (Debian, Ubuntu: `apt-get install "
        f"{name.split('.so')[0]}`) or use a Python that is built with --enable-shared"
    )


def _environment(libraries: Sequence[Path]) -> dict[str, str]:
    """This process's environment, and where the server's interpreters find libraries and packages."""
    environment = {**os.environ, "PYTHONPATH": python_path()}
    # Byte code beside model.py would change a signed folder.
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if libraries:
        environment["PYTHONHOME"] = sys.base_prefix
        old = environment.get("LD_LIBRARY_PATH")
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([*map(str, libraries), *([old] if old else [])])
        for name, value in _SMALL.items():
            environment.setdefault(name, value)
    return environment
