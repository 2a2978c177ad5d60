"""How requests reach a server: what every protocol shares, and the two ways of waiting."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from awarenet_client.errors import InvalidRequest
from awarenet_client.memory import Region
from awarenet_client.protocol import MODEL, Address, Request, Scores, decode, encode

T = TypeVar("T")
Job = Callable[[], Coroutine[Any, Any, T]]


class Transport(ABC):
    """A connection to one server, made on first use.

    Attributes:
        wire: `tritonclient.grpc` or `tritonclient.http`.
    """

    wire: Any

    def __init__(self, address: Address, headers: Mapping[str, str], certificates: Path | None) -> None:
        if certificates is not None and not certificates.is_file():
            raise InvalidRequest(f"root_certificates: there is no file {certificates}; name a PEM file, or None")
        self.address = address
        self.headers = dict(headers)
        self.certificates = certificates

    @abstractmethod
    async def call(self, method: str, timeout: float, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of tritonclient's client; every failure comes out as a `ClientError`."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Waits."""

    @abstractmethod
    async def gather(self, jobs: Sequence[Job[T]], limit: int) -> list[T]:
        """Runs jobs, at most `limit` at once; results in their order, the first failure is raised."""

    @abstractmethod
    async def close(self) -> None:
        """Frees connections and threads; idempotent."""

    async def infer(self, request: Request, timeout: float) -> Scores:
        """Answers one request."""
        result = await self.call("infer", timeout, **encode(request, timeout, self.wire))
        return decode(result, request, self.address.url)

    async def configuration(self, timeout: float) -> Mapping[str, Any]:
        """The cascade's model configuration."""
        answer: Mapping[str, Any] = await self.call("get_model_config", timeout, MODEL)
        return answer

    async def register(self, region: Region, timeout: float) -> None:
        """Makes a shared memory region known to the server."""
        await self.call("register_system_shared_memory", timeout, region.name, region.key, region.size)

    async def unregister(self, region: Region, timeout: float) -> None:
        """Makes the server forget a region."""
        await self.call("unregister_system_shared_memory", timeout, region.name)


class Blocking(Transport):
    """Waits by blocking the thread: its coroutines never suspend, `finish` runs them without an event loop."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)

    async def gather(self, jobs: Sequence[Job[T]], limit: int) -> list[T]:
        """Runs jobs on threads."""
        if len(jobs) < 2:
            return [finish(job()) for job in jobs]
        with ThreadPoolExecutor(limit, "awarenet-client") as pool:
            futures = [pool.submit(_finish_job, job) for job in jobs]
            try:
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()


class Suspending(Transport):
    """Waits on the running event loop; a cancelled task cancels what it waits for."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    async def gather(self, jobs: Sequence[Job[T]], limit: int) -> list[T]:
        """Runs jobs as tasks."""
        gate = asyncio.Semaphore(limit)

        async def admitted(job: Job[T]) -> T:
            async with gate:
                return await job()

        tasks = [asyncio.ensure_future(admitted(job)) for job in jobs]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()


def _finish_job(job: Job[T]) -> T:
    return finish(job())


def finish(steps: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never suspends to its end."""
    try:
        steps.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    steps.close()
    raise RuntimeError("a blocking transport suspended")
