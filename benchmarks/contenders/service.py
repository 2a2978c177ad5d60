"""The Triton server that two contenders call: `awarenet serve` as users start it, in a process tree of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from awarenet.errors import StartupError


@dataclass(frozen=True)
class Service:
    """A running server.

    Attributes:
        grpc_url: Where it listens.
        pid: The root of its process tree: the supervising process.
    """

    grpc_url: str
    pid: int


@contextmanager
def serve(repository: Path) -> Iterator[Service]:
    """Starts the server on free ports, and stops it at the end of the block.

    Args:
        repository: The model repository.

    Raises:
        StartupError: The server did not start; its own message is on the error stream.
    """
    command = [sys.executable, "-m", "awarenet.cli", "--log-level", "warning", "serve"]
    command += ["--model-repository", str(repository), "--grpc-port", "0", "--http-port", "0", "--metrics-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            urls = dict(line.split() for _, line in zip(range(3), process.stdout, strict=False))
            if "grpc" not in urls:
                raise StartupError(f"bench: the Triton server did not start; try `awarenet serve` with {repository}")
            yield Service(urls["grpc"], process.pid)
        finally:
            process.terminate()
