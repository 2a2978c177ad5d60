"""One form of the cascade in a process of its own, which answers lines of JSON with lines of JSON.

A process of its own, because its peak memory is then that of the form alone, and because a library that crashes takes
nothing else with it. It stays up, idle, while other forms are measured, so that all are measured in turns.

    python -m benchmarks.models.form_server

The first line says what to run: `form` (`Form.to_dict`), `repository`, `threads`, `faces` (a file of NumPy). Each
further one is a request: `do` names a method of `_Measured`, the rest are its arguments.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
from numpy.typing import NDArray

from awarenet.errors import AwareNetError
from awarenet.repository import ModelRepository
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import ROUTES
from benchmarks.models.forms import Form
from export.bundle_runner import peak_mb

TIMED_FACES: Final = 32
"""Faces that are kept in memory to be timed; more would count as memory of the form."""


class _Measured:
    """What can be asked of a form."""

    def __init__(self, form: Form, repository: Path, threads: int, faces: Path) -> None:
        started = time.perf_counter()
        self._runtime = InProcessRuntime(ModelRepository.open(repository), threads=threads, engine=form.engine())
        self._load_s = time.perf_counter() - started
        self._all = np.load(faces, mmap_mode="r", allow_pickle=False)
        rows = np.random.default_rng(0).permutation(len(self._all))[:TIMED_FACES]
        self._faces: NDArray[np.uint8] = np.ascontiguousarray(self._all[rows])
        self._turn = 0

    def start(self) -> dict[str, float]:
        """Runs every route once; seconds to load, and the peak memory of single faces in MB of 2^20 bytes."""
        for route in ROUTES:
            self._runtime.score(self._faces[:1], route=route)
        return {"load_s": self._load_s, "peak_mb": peak_mb()}

    def latency(self, seconds: float) -> dict[str, list[float]]:
        """Milliseconds of single faces by route, each face by both routes, for so long."""
        taken: dict[str, list[float]] = {route: [] for route in ROUTES}
        end = time.perf_counter() + seconds
        while not taken["full"] or time.perf_counter() < end:
            face = self._next(1)
            # Who goes first changes, so that neither route always meets a cold cache.
            for route in ROUTES if self._turn % 2 else ROUTES[::-1]:
                started = time.perf_counter()
                self._runtime.score(face, route=route)
                taken[route].append(1000 * (time.perf_counter() - started))
        return taken

    def throughput(self, batch: int, seconds: float) -> dict[str, float]:
        """Faces per second of the cascade with so many faces a call, and the peak memory until now."""
        faces, started = 0, time.perf_counter()
        while not faces or time.perf_counter() - started < seconds:
            self._runtime.score(self._next(batch))
            faces += batch
        return {"faces_per_s": faces / (time.perf_counter() - started), "peak_mb": peak_mb()}

    def score(self, out: Path) -> dict[str, int]:
        """Sends every face through every stage; writes P(fake) of the meta-model and the evidence for `score_all`."""
        parts = [
            self._runtime.score(np.ascontiguousarray(self._all[at : at + 16]), route="full")
            for at in range(0, len(self._all), 16)
        ]
        np.savez(
            out,
            probability=np.concatenate([part.probability for part in parts]),
            evidence=np.concatenate([part.evidence for part in parts]),
        )
        return {"faces": len(self._all)}

    def _next(self, count: int) -> NDArray[np.uint8]:
        rows = (self._turn + np.arange(count)) % len(self._faces)
        self._turn += count
        chosen: NDArray[np.uint8] = self._faces[rows]
        return chosen


def _serve(requests: TextIO, answers: TextIO) -> None:
    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        task = json.loads(requests.readline())
        form = Form.from_dict(task["form"])
        measured = _Measured(form, Path(task["repository"]), task["threads"], Path(task["faces"]))
        answer(measured.start())
        for line in requests:
            request = json.loads(line)
            answer(getattr(measured, request.pop("do"))(**request))
    except AwareNetError as error:
        answer({"error": str(error)})


if __name__ == "__main__":
    # Libraries print; what they print must not stand between the answers.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _serve(sys.stdin, channel)
