"""The two clients: the same methods, blocking or to await."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awarenet_client.protocol import Address, Route, Scores
from awarenet_client.session import Session, SharedMemory
from awarenet_client.transport import Transport, finish

TIMEOUT_S = 30.0
"""Seconds that a call may take where neither the client nor the call says otherwise."""

RETRIES = 4
"""How often a call is tried again after UNAVAILABLE; with full jitter they span 0.75 s on average."""


class Client:
    """A blocking client of one server; safe to use from several threads, one for each process.

    Args:
        url: `grpc://host:port` (the faster), `http://host:port`, or `grpcs://`, `https://` for encrypted connections.
        timeout: Seconds that a call may take, retries included, where it does not say otherwise.
        retries: How often a call is tried again where the server is unavailable; never past the deadline.
        shared_memory: `auto` hands faces over in shared memory where the server is on this machine and accepts it;
            True insists on it, False never does.
        headers: Sent with every call, for instance an `authorization`.
        root_certificates: PEM file of the authorities to trust in encrypted connections; None for the system's.

    Raises:
        InvalidRequest: The URL or an option makes no sense. The server is not contacted before the first call.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT_S,
        retries: int = RETRIES,
        shared_memory: SharedMemory = "auto",
        headers: Mapping[str, str] | None = None,
        root_certificates: Path | None = None,
    ) -> None:
        address = Address.parse(url)
        transport = _blocking(address, headers or {}, root_certificates)
        self._session = Session(transport, address, timeout, retries, shared_memory)
        self._finalizer = weakref.finalize(self, _close, self._session)  # also when the interpreter exits

    def score(
        self,
        faces: NDArray[np.uint8],
        face_px: NDArray[np.float32] | None = None,
        *,
        route: Route = "cascade",
        timeout: float | None = None,
        request_id: str = "",
        traceparent: str | None = None,
    ) -> Scores:
        """Scores a batch of faces of any size, in order.

        Args:
            faces: uint8 `[N, 256, 256, 3]`, RGB, square crops of 1.3 times the face's box; N may be 0.
            face_px: Side of each crop in source pixels, float32 `[N]`, NaN where unknown; None when all are unknown.
            route: `cascade` exits early, `full` runs every stage.
            timeout: Seconds until `DeadlineExceeded`; None for the client's own.
            request_id: What the server calls the request in its log.
            traceparent: W3C trace context that the server goes on with.

        Raises:
            InvalidRequest: An argument breaks the contract.
            Unavailable: The server is absent or overloaded, and the retries are used up.
            DeadlineExceeded: The time is over.
            ServerError: The server failed.
        """
        return finish(self._session.score(faces, face_px, route, timeout, request_id, traceparent))

    def policy(self, *, timeout: float | None = None) -> dict[str, Any]:
        """The thresholds that the server decides by, as in the policy file.

        Raises:
            ClientError: The server could not tell.
        """
        return finish(self._session.policy(timeout))

    def ready(self, *, timeout: float = 5.0) -> bool:
        """Whether the server really scores: it is asked to, because its health routes stay green when models die."""
        return finish(self._session.ready(timeout))

    def close(self) -> None:
        """Frees connections, threads and shared memory; idempotent."""
        self._finalizer()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """A client for asyncio, with the arguments and methods of `Client`; belongs to one event loop.

    Cancelling a task that waits for an answer withdraws the request.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT_S,
        retries: int = RETRIES,
        shared_memory: SharedMemory = "auto",
        headers: Mapping[str, str] | None = None,
        root_certificates: Path | None = None,
    ) -> None:
        address = Address.parse(url)
        transport = _suspending(address, headers or {}, root_certificates)
        self._session = Session(transport, address, timeout, retries, shared_memory)

    async def score(
        self,
        faces: NDArray[np.uint8],
        face_px: NDArray[np.float32] | None = None,
        *,
        route: Route = "cascade",
        timeout: float | None = None,
        request_id: str = "",
        traceparent: str | None = None,
    ) -> Scores:
        """Scores a batch of faces of any size, in order; see `Client.score`."""
        return await self._session.score(faces, face_px, route, timeout, request_id, traceparent)

    async def policy(self, *, timeout: float | None = None) -> dict[str, Any]:
        """The thresholds that the server decides by; see `Client.policy`."""
        return await self._session.policy(timeout)

    async def ready(self, *, timeout: float = 5.0) -> bool:
        """Whether the server really scores; see `Client.ready`."""
        return await self._session.ready(timeout)

    async def close(self) -> None:
        """Frees connections and shared memory; idempotent."""
        await self._session.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __del__(self) -> None:
        session: Session | None = getattr(self, "_session", None)
        if session is not None and session.holds_server_memory:
            warnings.warn("AsyncClient was not closed; use `async with`", ResourceWarning, stacklevel=2, source=self)


def _close(session: Session) -> None:
    finish(session.close())


# Each protocol's libraries take a moment to import: only the one that is used is loaded.


def _blocking(address: Address, headers: Mapping[str, str], certificates: Path | None) -> Transport:
    if address.protocol == "grpc":
        from awarenet_client.over_grpc import BlockingGrpc

        return BlockingGrpc(address, headers, certificates)
    from awarenet_client.over_http import BlockingHttp

    return BlockingHttp(address, headers, certificates)


def _suspending(address: Address, headers: Mapping[str, str], certificates: Path | None) -> Transport:
    if address.protocol == "grpc":
        from awarenet_client.over_grpc import AsyncGrpc

        return AsyncGrpc(address, headers, certificates)
    from awarenet_client.over_http import AsyncHttp

    return AsyncHttp(address, headers, certificates)
