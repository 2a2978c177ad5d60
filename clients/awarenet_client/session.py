"""The client's logic, written once for the blocking and the asyncio client.

Everything that waits goes through a `Transport`. The asyncio client awaits these coroutines as they are; the blocking
client's transports never suspend, so that `transport.finish` runs the same coroutines to their end without a loop.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import monotonic
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from awarenet_client import protocol
from awarenet_client.errors import ClientError, DeadlineExceeded, InvalidRequest, Unavailable
from awarenet_client.memory import Region
from awarenet_client.protocol import Address, Request, Route, Scores, Shared
from awarenet_client.retry import RetryBudget, pause
from awarenet_client.transport import Transport

SharedMemory = Literal["auto", True, False]
T = TypeVar("T")

IN_FLIGHT = 2
"""Requests of one long batch under way at once: one is computed while the next is on its way."""


class Session:
    """Deadlines, retries, shared memory and splitting over a transport.

    Args:
        transport: How requests reach the server.
        address: Where it listens.
        timeout: Seconds that a call may take where it does not say otherwise.
        retries: How often a call is tried again after UNAVAILABLE.
        shared_memory: `auto` where the server is on this machine and accepts it, True to insist, False for never.
    """

    def __init__(
        self, transport: Transport, address: Address, timeout: float, retries: int, shared_memory: SharedMemory
    ) -> None:
        if timeout <= 0 or retries < 0:
            raise InvalidRequest(f"timeout must be > 0 s and retries >= 0, got {timeout} and {retries}")
        self._transport = transport
        self._url = address.url
        self._timeout = timeout
        self._retries = retries
        self._budget = RetryBudget(2.0 * (10 + retries))
        self._insist = shared_memory is True
        self._lock = threading.Lock()
        self._region: Region | None = None
        self._registering = False
        self._share = shared_memory is True or (shared_memory == "auto" and address.local)
        self._closed = False

    async def score(
        self,
        faces: NDArray[np.uint8],
        face_px: NDArray[np.float32] | None,
        route: Route,
        timeout: float | None,
        request_id: str = "",
        traceparent: str | None = None,
    ) -> Scores:
        """See `Client.score`."""
        self._check_open()
        deadline = self._deadline(timeout)
        requests = [
            replace(request, request_id=request_id, traceparent=traceparent)
            for request in protocol.split(faces, face_px, route)
        ]
        if len(requests) == 1:
            return await self._answer(requests[0], deadline)
        jobs = [lambda request=request: self._answer(request, deadline) for request in requests]
        return protocol.join(await self._transport.gather(jobs, IN_FLIGHT))

    async def policy(self, timeout: float | None) -> dict[str, Any]:
        """See `Client.policy`."""
        self._check_open()
        config = await self._persist(self._transport.configuration, self._deadline(timeout))
        return protocol.policy(config, self._url)

    async def ready(self, timeout: float) -> bool:
        """See `Client.ready`."""
        self._check_open()
        grey = np.full((1, protocol.FACE_SIZE, protocol.FACE_SIZE, 3), 128, np.uint8)
        probe = Request(grey, np.full(1, np.nan, np.float32), "cascade", probe=True)
        try:
            scores = await self._transport.infer(probe, timeout)
        except ClientError:
            return False
        return bool(0 <= scores.probability[0] <= 1)

    async def close(self) -> None:
        """Makes the server forget the region and frees the transport; idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            region, self._region = self._region, None
        try:
            if region is not None:
                await self._transport.unregister(region, 2.0)
        except ClientError:
            pass  # a server that is gone has forgotten it too
        finally:
            await self._transport.close()

    @property
    def holds_server_memory(self) -> bool:
        """Whether the server still maps this client's region."""
        return self._region is not None

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidRequest(f"{self._url}: this client is closed; make a new one")

    def _deadline(self, timeout: float | None) -> float:
        return monotonic() + (self._timeout if timeout is None else timeout)

    def _left(self, deadline: float) -> float:
        left = deadline - monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"{self._url}: no answer in time; raise `timeout` or send smaller batches")
        return left

    async def _persist(self, call: Callable[[float], Awaitable[T]], deadline: float) -> T:
        """Calls until there is an answer, an error that is no UNAVAILABLE, or no time or retry left."""
        attempt = 0
        while True:
            try:
                answer = await call(self._left(deadline))
            except Unavailable:
                again = self._budget.failed() and attempt < self._retries
                wait = pause(attempt)
                if not again or wait >= deadline - monotonic():
                    raise
            else:
                self._budget.succeeded()
                return answer
            await self._transport.sleep(wait)
            attempt += 1

    async def _answer(self, request: Request, deadline: float) -> Scores:
        region = await self._attach(deadline) if self._share else None
        offset = region.lease(request.faces) if region is not None else None
        if region is not None and offset is not None:
            placed = replace(request, shared=Shared(region.name, offset))
            try:
                return await self._persist(lambda left: self._transport.infer(placed, left), deadline)
            except ClientError as error:
                if region.name not in str(error):
                    raise
                self._forget(region)  # the server was restarted since; the next call registers anew
            finally:
                region.release(offset)
        return await self._persist(lambda left: self._transport.infer(request, left), deadline)

    async def _attach(self, deadline: float) -> Region | None:
        """The region, registered on first use; None where there is none (yet), so that the faces are sent instead."""
        with self._lock:
            if self._region is not None or self._registering:
                return self._region
            self._registering = True
        try:
            region = Region()
            try:
                await self._transport.register(region, self._left(deadline))
            finally:
                region.unlink()
        except (Unavailable, DeadlineExceeded):
            return None  # says nothing about shared memory; sending the faces will tell
        except (OSError, ClientError) as error:
            if self._insist:
                raise InvalidRequest(
                    f"{self._url}: shared memory cannot be used ({error}); pass shared_memory='auto' or False"
                ) from error
            self._share = False
            return None
        else:
            self._region = region
            return region
        finally:
            self._registering = False

    def _forget(self, region: Region) -> None:
        with self._lock:
            if self._region is region:
                self._region = None
