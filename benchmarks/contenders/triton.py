"""The product: `awarenet serve` as users start it, called through the project's client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from awarenet.runtime.triton import TritonRuntime
from benchmarks.contender import Contender, Running, Score
from benchmarks.contenders.service import Service


def contender(service: Service) -> Contender:
    """Makes the contender; each caller has a connection of its own.

    Args:
        service: The running server.
    """

    @contextmanager
    def opened() -> Iterator[Running]:
        runtimes: list[TritonRuntime] = []

        def connect() -> Score:
            runtime = TritonRuntime(service.grpc_url)
            runtimes.append(runtime)
            return lambda faces: runtime.score(faces).probability

        try:
            yield Running(connect, service.pid)
        finally:
            for runtime in runtimes:
                runtime.close()

    return Contender("triton", "the cascade in Triton, called over gRPC", opened)
