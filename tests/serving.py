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
import tritonclient.utils.shared_memory as shared_memory
from numpy.typing import NDArray

from awarenet.runtime.server import TritonServer
from tests import tiny_repository as tiny

PATIENT = 120_000_000
"""A timeout in microseconds for requests that shall not be refused on a slow machine."""


def connect(server: TritonServer) -> grpcclient.InferenceServerClient:
    """Triton's own gRPC client."""
    return grpcclient.InferenceServerClient(server.grpc_url.removeprefix("grpc://"))


def face_input(faces: NDArray[np.uint8]) -> grpcclient.InferInput:
    """The `face` tensor of a request."""
    tensor = grpcclient.InferInput("face", list(faces.shape), "UINT8")
    tensor.set_data_from_numpy(faces)
    return tensor


@contextmanager
def shared_face(client: grpcclient.InferenceServerClient, faces: NDArray[np.uint8]) -> Iterator[grpcclient.InferInput]:
    """The `face` tensor in shared memory, so that hundreds of requests are sent at once."""
    name = f"awarenet-tests-{os.getpid()}"
    region = shared_memory.create_shared_memory_region(name, f"/{name}", faces.nbytes)
    try:
        shared_memory.set_shared_memory_region(region, [faces])
        client.register_system_shared_memory(name, f"/{name}", faces.nbytes)
        tensor = grpcclient.InferInput("face", list(faces.shape), "UINT8")
        tensor.set_shared_memory(name, faces.nbytes)
        yield tensor
        client.unregister_system_shared_memory(name)
    finally:
        shared_memory.destroy_shared_memory_region(region)


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
        tensor = face_input(faces) if isinstance(faces, np.ndarray) else faces
        number, self._sent = self._sent, self._sent + 1

        def receive(result: Any, error: Any) -> None:
            with self._changed:
                self._got[number] = error or result
                self._changed.notify_all()

        return client.async_infer("cascade", [tensor], receive, **options)

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
    """Stops a model's processes for a moment, so that requests to it wait.

    Longer than about half a second looks like a death to Triton, which then ends them.
    """
    processes = stubs(server, model)
    assert processes
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


@contextmanager
def occupied(server: TritonServer) -> Iterator[None]:
    """Keeps every instance of the cascade busy for some seconds, so that requests wait in its queue."""
    answers = Answers()
    with connect(server) as client:
        while not pending(server):
            answers.send(client, tiny.paint(tiny.SLOW), timeout=PATIENT)
            eventually(lambda: bool(pending(server)), timeout_s=0.3)
        yield
        answers.wait()


def pending(server: TritonServer) -> float:
    """How many requests wait in the cascade's queue."""
    return metric(server, "nv_inference_pending_request_count", model="cascade")


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
