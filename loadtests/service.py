"""The service under load: the real gateway over a real Triton, in processes of their own, and what they use up."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.contenders.service import serve as serve_triton
from benchmarks.gateway import Gateway, start_gateway

_SHARED_MEMORY: Final = Path("/dev/shm")

SETTINGS: Final = {"REQUESTS_PER_MINUTE": "1e9", "REQUESTS_BURST": "1000000000", "LOG_LEVEL": "error"}
"""As shipped, but for the limit of one credential's rate: all clients share a key, and the rest is what is tested."""


@dataclass(frozen=True)
class Service(Gateway):
    """A running gateway and its Triton.

    Attributes:
        grpc_url: Of Triton.
        triton: Process id of what minds Triton.
    """

    grpc_url: str
    triton: int

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"X-API-Key": self.key}


@dataclass(frozen=True)
class Footprint:
    """What the service uses at one moment.

    Attributes:
        rss_mb: Resident memory of the gateway's own process, in 2^20 bytes.
        tree_mb: The same of everything below the gateway and Triton, summed.
        descriptors: Open files of the gateway's process: its connections, mostly.
        shared_mb: Bytes in `/dev/shm`, in 2^20.
    """

    rss_mb: float
    tree_mb: float
    descriptors: int
    shared_mb: float

    @classmethod
    def of(cls, service: Service) -> Footprint:
        """Looks now."""
        gateway = psutil.Process(service.pid)
        own = gateway.memory_info().rss / 2**20
        below = sum(_memory(child) for root in (service.pid, service.triton) for child in _below(root))
        return cls(own, own + below, gateway.num_fds(), shared_memory_mb())


def shared_memory_mb() -> float:
    """What lies in `/dev/shm`, in 2^20 bytes."""
    status = os.statvfs(_SHARED_MEMORY)
    return (status.f_blocks - status.f_bfree) * status.f_frsize / 2**20


@contextmanager
def running(repository: Path, *, triton: tuple[str, int] | None = None, **settings: object) -> Iterator[Service]:
    """Starts Triton and a gateway over it on free ports, and stops both at the end of the block.

    Args:
        repository: The models.
        triton: gRPC URL and process id of a Triton that runs already.
        **settings: Fields of `gateway.settings.Settings`.

    Raises:
        StartupError: One does not start; its own message is on the error stream.
    """
    with ExitStack() as stack:
        if triton is None:
            started = stack.enter_context(serve_triton(repository))
            triton = started.grpc_url, started.pid
        state = stack.enter_context(tempfile.TemporaryDirectory())
        given = SETTINGS | {name.upper(): str(value) for name, value in settings.items()}
        gateway = stack.enter_context(start_gateway(triton[0], repository, Path(state) / "state", **given))
        yield Service(gateway.url, gateway.key, gateway.pid, *triton)


def _below(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss / 2**20)
    except psutil.NoSuchProcess:
        return 0.0
