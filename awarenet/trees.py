"""The meta-model: gradient-boosted trees as C source, compiled once for the machine and called in-process.

A call costs microseconds, less than any hop to another process would. `export.trees` writes the source.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from awarenet.errors import ConfigurationError, ModelError, TensorError
from awarenet.policy import file_sha256
from awarenet.stages import FEATURES

CACHE_VARIABLE: Final = "AWARENET_CACHE"
"""Environment variable that names the folder for compiled trees."""

# No -march=native: a cache may be shared by different machines of one architecture. No -ffast-math: NaN means missing.
_FLAGS: Final = ("-O1", "-fPIC", "-shared")
_COMPILERS: Final = ("cc", "gcc", "clang")


class CompiledTrees:
    """A compiled `trees.c`.

    Safe to call from several threads; a call releases the interpreter lock.
    """

    def __init__(self, source: Path, cache: Path | None = None) -> None:
        """Compiles the source, or takes what an earlier start compiled.

        Args:
            source: The file that `export.trees` wrote.
            cache: Folder for the compiled library; default `$AWARENET_CACHE`, else `~/.cache/awarenet`. Where it cannot
                be written, the library is compiled again at each start.

        Raises:
            ConfigurationError: There is no C compiler, or what it made does not load.
            ModelError: The source is missing, does not compile, or is for other features.
        """
        if not source.is_file():
            raise ModelError(f"{source} is missing; make it with `python -m export trees`")
        library = _load(source, cache or _default_cache())
        try:
            library.get_num_feature.restype = ctypes.c_int32
            features = library.get_num_feature()
            self._predict_rows = library.predict_rows
        except AttributeError as error:
            raise ModelError(
                f"{source} is not a tree source of ours ({error}); use `python -m export trees`"
            ) from error
        if features != len(FEATURES):
            raise ModelError(
                f"{source} takes {features} features, the cascade gives {len(FEATURES)}; train the meta-model again"
            )
        self._predict_rows.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
        self._predict_rows.restype = None

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """P(fake) of each row.

        Args:
            features: float32 `[N, F]`, columns as `awarenet.stages.FEATURES`, NaN where missing; N may be 0. Unchanged.

        Returns:
            float32 `[N]` in [0, 1].

        Raises:
            TensorError: The shape or dtype is another.
        """
        if features.dtype != np.float32 or features.ndim != 2 or features.shape[1] != len(FEATURES):
            raise TensorError(
                f"features: expected float32 [N, {len(FEATURES)}], got {features.dtype} {list(features.shape)}"
            )
        rows = np.ascontiguousarray(features)
        result = np.empty(len(rows), np.float32)
        self._predict_rows(rows.ctypes.data, len(rows), result.ctypes.data)
        return result


def _default_cache() -> Path:
    return Path(
        os.environ.get(CACHE_VARIABLE) or Path(os.environ.get("HOME") or "/nonexistent") / ".cache" / "awarenet"
    )


def _load(source: Path, cache: Path) -> ctypes.CDLL:
    target = f"{file_sha256(source)} {platform.system()} {platform.machine()} {' '.join(_FLAGS)}"
    library = cache / f"trees-{hashlib.sha256(target.encode()).hexdigest()[:32]}.so"
    if library.is_file():
        try:
            return ctypes.CDLL(str(library))
        except OSError:
            pass  # A damaged cache entry: compiled again below.
    try:
        cache.mkdir(parents=True, exist_ok=True)
        workplace = tempfile.TemporaryDirectory(dir=cache)
    except OSError:
        workplace = tempfile.TemporaryDirectory()
    with workplace as folder:
        fresh = Path(folder) / library.name
        _compile(source, fresh)
        if fresh.parent.parent == cache:
            fresh = fresh.replace(library)  # Atomic: processes that start together all see a whole file.
        try:
            return ctypes.CDLL(str(fresh))
        except OSError as error:
            raise ConfigurationError(
                f"the compiled trees do not load ({error}); set {CACHE_VARIABLE} to a writable folder from which "
                "programs may run"
            ) from error


def _compile(source: Path, library: Path) -> None:
    compiler = shlex.split(os.environ.get("CC", "")) or [name for name in _COMPILERS if shutil.which(name)][:1]
    if not compiler or not shutil.which(compiler[0]):
        raise ConfigurationError(
            f"no C compiler ({' '.join(compiler) or ', '.join(_COMPILERS)}) to compile {source}; install one "
            "(Debian, Ubuntu: `apt-get install gcc libc6-dev`) or name one in CC"
        )
    command = [*compiler, *_FLAGS, "-o", str(library), str(source), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ModelError(f"{source} does not compile; `{shlex.join(command)}` says: {done.stderr.strip()[:2000]}")
