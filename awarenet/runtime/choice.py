"""Which runtime a command uses: the server that is asked for, the one that answers, or this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import structlog

from awarenet.errors import InvalidInput, ServiceError
from awarenet.runtime import Runtime

DEFAULT_SERVER: Final = "grpc://127.0.0.1:8001"
"""Where `awarenet serve` listens by default."""

SERVER_VARIABLE: Final = "AWARENET_SERVER"
"""Environment variable that names another server."""

DEFAULT_REPOSITORY: Final = Path("model_repository")
"""The models of a working copy, relative to its root."""

_PROBE_S = 2.0

_log = structlog.get_logger("runtime")


def open_runtime(server: str | None, in_process: bool, repository: Path, *, threads: int = 1) -> Runtime:
    """Opens what was asked for; without a wish, a server where one answers and this process otherwise.

    Args:
        server: URL of the server that must answer, or None.
        in_process: Whether the models must run here.
        repository: The models for this process.
        threads: Processor threads for this process.

    Raises:
        InvalidInput: A server and this process were both asked for.
        ServiceError: The server that was asked for does not answer.
        ConfigurationError: The models cannot be run here.
    """
    if server and in_process:
        raise InvalidInput("--in-process and --server exclude each other; give one of them")
    if server:
        return _open_server(server)
    if not in_process:
        url = os.environ.get(SERVER_VARIABLE) or DEFAULT_SERVER
        if _answers(url):
            _log.info("runtime", server=url)
            return _open_server(url)
        _log.info("runtime", server=None, reason=f"no server answers at {url}; the models run in this process")
    from awarenet.runtime.inprocess import InProcessRuntime

    return InProcessRuntime(repository, threads=threads)


def _open_server(url: str) -> Runtime:
    from awarenet.runtime.triton import TritonRuntime

    return TritonRuntime(url)


def _answers(url: str) -> bool:
    from awarenet.runtime.triton import TritonRuntime

    try:
        TritonRuntime(url, timeout_s=_PROBE_S, retries=0, shared_memory=False).close()
    except ServiceError:
        return False
    return True
