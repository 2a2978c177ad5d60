"""What many teams would build instead: FastAPI over ONNX Runtime, one process, the same cascade behind one route."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.contender import Contender, Faces, Running, Score


def contender(repository: Path) -> Contender:
    """Makes the contender; each caller keeps one HTTP connection open.

    Args:
        repository: The model repository.
    """

    @contextmanager
    def opened() -> Iterator[Running]:
        command = [sys.executable, "-m", "benchmarks.contenders.web_app", str(repository)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                port = int(process.stdout.readline())
                yield Running(lambda: _caller(port), process.pid)
            finally:
                process.terminate()

    return Contender("fastapi", "FastAPI + ONNX Runtime over the same cascade, raw bytes over HTTP", opened)


def _caller(port: int) -> Score:
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def score(faces: Faces) -> NDArray[np.float32]:
        connection.request("POST", "/score", faces.tobytes(), {"Content-Type": "application/octet-stream"})
        response = connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"fastapi: answered {response.status}: {body[:200]!r}")
        return np.frombuffer(body, np.float32)

    return score
