"""Hands on a running server: its processes, its metrics, and plain requests through Triton's own client."""

from __future__ import annotations

import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tritonclient.grpc as grpcclient
from numpy.typing import NDArray

from awarenet.runtime.server import TritonServer


def connect(server: TritonServer) -> grpcclient.InferenceServerClient:
    """Triton's own gRPC client."""
    return grpcclient.InferenceServerClient(server.grpc_url.removeprefix("grpc://"))


def face_input(faces: NDArray[np.uint8]) -> grpcclient.InferInput:
    """The `face` tensor of a request."""
    tensor = grpcclient.InferInput("face", list(faces.shape), "UINT8")
    tensor.set_data_from_numpy(faces)
    return tensor


def ask(
    client: grpcclient.InferenceServerClient, faces: NDArray[np.uint8], *, model: str = "cascade", **options: Any
) -> grpcclient.InferResult:
    """One request."""
    return client.infer(model, [face_input(faces)], **options)


class Answers:
    """Collects what asynchronous requests bring: a result or an error each, in the order of sending."""

    def __init__(self) -> None:
        self._got: dict[int, Any] = {}
        self._changed = threading.Condition()
        self._sent = 0

    def send(self, client: grpcclient.InferenceServerClient, faces: NDArray[np.uint8], **options: Any) -> Any:
        """Sends a request to the cascade; returns the call, which can be cancelled."""
        number, self._sent = self._sent, self._sent + 1

        def receive(result: Any, error: Any) -> None:
            with self._changed:
                self._got[number] = error or result
                self._changed.notify_all()

        return client.async_infer("cascade", [face_input(faces)], receive, **options)

    @property
    def count(self) -> int:
        """How many answers are there."""
        with self._changed:
            return len(self._got)

    def wait(self, timeout_s: float = 60) -> list[Any]:
        """All answers, once they are there."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._got) == self._sent, timeout_s), "answers are missing"
        return [self._got[number] for number in range(self._sent)]


def stubs(server: TritonServer, model: str) -> list[psutil.Process]:
    """The living processes of a model's instances."""
    found = []
    for child in psutil.Process(server.pid).children():
        try:
            if f"/{model}/1/model.py" in " ".join(child.cmdline()):
                found.append(child)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            pass
    return found


@contextmanager
def frozen(server: TritonServer, model: str) -> Iterator[None]:
    """Stops a model's processes for a while, so that requests to it wait."""
    processes = stubs(server, model)
    assert processes
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


def metric(server: TritonServer, name: str, **labels: str) -> float:
    """A metric's value, summed over the lines that bear all the labels; 0 where there is none."""
    with urllib.request.urlopen(server.metrics_url, timeout=10) as response:
        lines = response.read().decode().splitlines()
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith(name + "{") and all(label in line for label in wanted)
    )


def eventually(condition: Callable[[], bool], timeout_s: float = 20) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def segments() -> set[str]:
    """Names of the shared memory segments of our servers."""
    return {path.name for path in Path("/dev/shm").glob("awarenet-triton-*")}
