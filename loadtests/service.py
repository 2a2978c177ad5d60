"""The service under load: the real gateway over a real Triton, in processes of their own, and what they use up."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from awarenet.errors import StartupError
from benchmarks.contenders.service import serve as serve_triton

_SHARED_MEMORY: Final = Path("/dev/shm")

SETTINGS: Final = {"REQUESTS_PER_MINUTE": "1e9", "REQUESTS_BURST": "1000000000", "LOG_LEVEL": "error"}
"""As shipped, but for the limit of one credential's rate: all clients share a key, and the rest is what is tested."""


@dataclass(frozen=True)
class Service:
    """A running gateway and its Triton.

    Attributes:
        url: Of the gateway.
        key: Its API key.
        gateway: Its process id.
        grpc_url: Of Triton.
        triton: Process id of what minds Triton.
    """

    url: str
    key: str
    gateway: int
    grpc_url: str
    triton: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the gateway."""
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

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
        gateway = psutil.Process(service.gateway)
        own = gateway.memory_info().rss / 2**20
        below = sum(_memory(child) for root in (service.gateway, service.triton) for child in _below(root))
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
        command = [sys.executable, "-m", "gateway", "serve", "--port", "0", "--server", triton[0]]
        command += ["--model-repository", str(repository), "--state-folder", f"{state}/state"]
        environment = os.environ | {f"AWARENET_{name}": value for name, value in SETTINGS.items()}
        environment |= {f"AWARENET_{name.upper()}": str(value) for name, value in settings.items()}
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
        stack.callback(process.terminate)
        assert process.stdout is not None
        lines = dict(line.split(maxsplit=1) for _, line in zip(range(2), process.stdout, strict=False))
        if "key" not in lines:
            raise StartupError("load: the gateway did not start; its message is above")
        yield Service(lines["gateway"].strip(), lines["key"].strip(), process.pid, *triton)


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
    if soft >= wanted:
        return soft
    if hard < wanted:
        raise StartupError(
            f"load: {wanted:,} open files are needed and {hard:,} are allowed; "
            f"raise the hard limit (`ulimit -Hn {wanted}` as root) or take fewer clients"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


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
