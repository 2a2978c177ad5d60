"""Requests over HTTP. There is one transport, for asyncio; the blocking one runs it on an event loop of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import aiohttp
import tritonclient.http as wire
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException

from awarenet_client.errors import from_status
from awarenet_client.protocol import Address
from awarenet_client.transport import Blocking, Suspending


class AsyncHttp(Suspending):
    """HTTP for asyncio."""

    wire = wire

    @cached_property
    def _client(self) -> Any:
        context = ssl.create_default_context(cafile=self.certificates) if self.address.secure else None
        return aio.InferenceServerClient(
            self.address.target,
            ssl=self.address.secure,
            ssl_context=context if context is not None else True,
            conn_limit=0,  # the caller bounds its own concurrency; waiting here would eat into deadlines unseen
            conn_timeout=None,  # every call has its own deadline
        )

    async def call(self, method: str, timeout: float, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of `tritonclient.http.aio.InferenceServerClient`."""
        url = self.address.url
        try:
            headers = {**self.headers, **kwargs.pop("headers", {})}
            steps = getattr(self._client, method)(*args, **kwargs, headers=headers)
            return await asyncio.wait_for(steps, timeout)
        except InferenceServerException as error:
            raise from_status(url, error.status() or "", error.message() or "") from error
        except asyncio.TimeoutError as error:
            raise from_status(url, "DEADLINE_EXCEEDED", f"no answer within {timeout:.3g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            # The connection could not be made or was lost. Scoring has no side effects: asking again is safe.
            raise from_status(url, "UNAVAILABLE", f"{type(error).__name__}: {error}") from error
        except (ValueError, LookupError, TypeError) as error:
            raise from_status(url, "", f"the answer is not Triton's ({error!r})") from error

    async def close(self) -> None:
        """Frees the connections."""
        if "_client" in self.__dict__:
            await self._client.close()


class BlockingHttp(Blocking):
    """HTTP that blocks; safe to use from several threads."""

    wire = wire

    def __init__(self, address: Address, headers: Mapping[str, str], certificates: Path | None) -> None:
        super().__init__(address, headers, certificates)
        self._http = AsyncHttp(address, headers, certificates)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run, args=(self._loop,), name="awarenet-client-http", daemon=True)
        self._thread.start()

    async def call(self, method: str, timeout: float, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of `tritonclient.http.aio.InferenceServerClient` on the transport's own event loop."""
        if threading.current_thread() is self._thread:  # a forgotten client, collected on this very thread
            raise from_status(self.address.url, "CANCELLED", "the client cannot wait for itself")
        future = asyncio.run_coroutine_threadsafe(self._http.call(method, timeout, *args, **kwargs), self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    async def close(self) -> None:
        """Frees connections, event loop and thread."""
        if not self._loop.is_closed():
            closing = asyncio.run_coroutine_threadsafe(self._http.close(), self._loop)
            closing.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._loop.stop))
            if threading.current_thread() is not self._thread:
                self._thread.join()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()
