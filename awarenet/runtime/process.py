"""One `tritonserver` process and the stub processes below it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

import psutil
import structlog

from awarenet.runtime.installation import Installation
from awarenet.runtime.shared_memory import SegmentPrefix, remove_leftovers
from awarenet.stages import STAGES

_log = structlog.get_logger("triton")

# Ends the server when the thread that started it ends, which it does with its process, even by SIGKILL. Set between
# fork and exec by a program of its own, because Python code in a forked child of a threaded process may deadlock.
_TETHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]): sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""

_STUB = "triton_python_backend_stub"
_KEPT_LINES = 40


class TritonProcess:
    """Starts and ends `tritonserver`; everything that it leaves behind is removed.

    The thread that calls `start` must live as long as the server shall.

    Args:
        installation: Which server.
        options: Its command line, without what names backends and shared memory.
    """

    def __init__(self, installation: Installation, options: Sequence[str]) -> None:
        self._installation = installation
        self._options = list(options)
        self._folder = tempfile.TemporaryDirectory(prefix="awarenet-triton-")
        remove_leftovers()
        self._segments = SegmentPrefix()
        self._backends = installation.backend_directory(Path(self._folder.name) / "backends")
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def start(self) -> None:
        """Starts the server and returns at once."""
        self._lines.clear()
        command = [str(self._installation.binary), *self._options]
        command.append(f"--backend-config=python,shm-region-prefix-name={self._segments.value}")
        if self._backends:
            command.append(f"--backend-directory={self._backends}")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid()), *command],
            env=self._installation.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must reach us alone: the server is told when its work is done.
        )
        threading.Thread(target=self._forward, args=(self._process,), daemon=True, name="triton-log").start()

    @property
    def pid(self) -> int:
        """Process id of the server; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def last_words(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._lines)

    def stubs(self) -> Counter[str]:
        """How many stub processes live, by model."""
        living: Counter[str] = Counter()
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    arguments = child.cmdline()  # Empty for a zombie.
                    if arguments and Path(arguments[0]).name == _STUB:
                        living[_model_of(arguments[1])] += 1
        return living

    def stop(self, grace_s: float) -> None:
        """Ends the server, gently for `grace_s` seconds, then by force; removes its shared memory."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # Stubs that outlived it, too.
        self._process.wait()
        self._process = None
        self._segments.clear()

    def close(self) -> None:
        """Removes the folder and the claim on shared memory."""
        self._segments.release()
        self._folder.cleanup()

    def _forward(self, process: subprocess.Popen[bytes]) -> None:
        """Passes the server's log on, and keeps its end for error messages."""
        assert process.stdout is not None
        with process.stdout as stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                if line:
                    self._lines.append(line)
                    _log.debug(line)


def _model_of(path: str) -> str:
    """The model in a path like `.../cascade/1/model.py`."""
    names = {stage.name for stage in STAGES}
    return next((part for part in reversed(Path(path).parts) if part in names), "")
