"""The running Triton server that two contenders call: in a process tree of its own, as `awarenet serve` makes it.

Run as `python -m benchmarks.contenders.service REPOSITORY`; prints its gRPC URL, and stops when its input ends.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from awarenet import log
from awarenet.errors import StartupError
from awarenet.runtime.server import TritonServer


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
    """Starts the server, and stops it at the end of the block.

    Args:
        repository: The model repository.

    Raises:
        StartupError: The server did not start; its own message is on the error stream.
    """
    command = [sys.executable, "-m", "benchmarks.contenders.service", str(repository)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise StartupError(f"bench: the Triton server did not start; try `awarenet serve` with {repository}")
        yield Service(url, process.pid)
        process.stdin.close()


def main() -> None:
    """Serves until the parent closes the input, also by dying."""
    log.configure("warning")
    with TritonServer(Path(sys.argv[1])) as server:
        print(server.grpc_url, flush=True)  # noqa: T201, the parent reads it
        sys.stdin.read()


if __name__ == "__main__":
    main()
