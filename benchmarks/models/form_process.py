"""A form that runs in a process of its own, seen from outside."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from awarenet.errors import AwareNetError, ServiceError
from benchmarks.models.forms import Form, with_threads

_PATIENCE_S: Final = 600.0


class FormProcess:
    """Starts `benchmarks.models.form_server` and asks it; a context manager that ends it.

    Args:
        form: What is run.
        threads: Processor threads in all.
        repository: The model repository, for the trees and the policy.
        faces: File of NumPy with the faces, uint8 `[N, 256, 256, 3]`.

    Attributes:
        form: See above.
        threads: See above.
        name: Of both.
        load_s: Seconds to load the networks.
        peak_mb: Peak memory with single faces in MB of 2^20 bytes.

    Raises:
        ServiceError: The form does not run here; the message says why.
    """

    def __init__(self, form: Form, threads: int, repository: Path, faces: Path) -> None:
        self.form, self.threads = form, threads
        self.name = with_threads(form.name, threads)
        self._complaints = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.models.form_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        task = {"form": form.to_dict(), "repository": str(repository), "threads": threads, "faces": str(faces)}
        try:
            started = self._ask(task)
        except AwareNetError:
            self.close()
            raise
        self.load_s: float = started["load_s"]
        self.peak_mb: float = started["peak_mb"]

    def latency(self, seconds: float) -> dict[str, list[float]]:
        """Milliseconds of single faces, by route."""
        return dict(self._ask({"do": "latency", "seconds": seconds}))

    def throughput(self, batch: int, seconds: float) -> dict[str, float]:
        """`faces_per_s`, and `peak_mb` of the process until now."""
        return dict(self._ask({"do": "throughput", "batch": batch, "seconds": seconds}))

    def score(self, out: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """P(fake) of the meta-model `[N]` and evidence `[N, F]` of every face, every stage run.

        Args:
            out: A file to pass them through, ending in `.npz`.
        """
        self._ask({"do": "score", "out": str(out)})
        with np.load(out, allow_pickle=False) as scores:
            return scores["probability"], scores["evidence"]

    def close(self) -> None:
        """Ends the process; idempotent."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._complaints.close()

    def __enter__(self) -> FormProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            # One answer a request: nothing is left in the buffer that `select` would not see.
            ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE_S)
            line = self._process.stdout.readline() if ready else ""
        except BrokenPipeError:
            line = ""
        if not line:
            raise ServiceError(f"{self.name}: {self._end()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ServiceError(f"{self.name}: {answer['error']}")
        return answer

    def _end(self) -> str:
        """What became of a process that gives no answer."""
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            return f"no answer in {_PATIENCE_S:.0f} s"
        self._complaints.seek(0)
        last = (self._complaints.read().strip().splitlines() or [""])[-1]
        return f"the process died ({signal.Signals(-code).name if code < 0 else f'exit code {code}'}) {last}".strip()
