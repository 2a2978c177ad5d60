"""Requests over gRPC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import tritonclient.grpc as wire
from tritonclient.grpc import aio
from tritonclient.utils import InferenceServerException

from awarenet_client.errors import from_status
from awarenet_client.protocol import Address
from awarenet_client.transport import Blocking, Suspending, Transport

_CHANNEL: Final = (
    # Every address of the name in turn, not the first that answers: a name may stand for many servers.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ("grpc.dns_min_time_between_resolutions_ms", 5000),  # Servers that came are seen soon, not after half a minute.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A server that was restarted is found again within a second, not after gRPC's two minutes; "min" is, against
    # its name, how long one attempt to connect may take.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class _Grpc(Transport):
    wire = wire

    def _options(self) -> dict[str, Any]:
        return {
            "url": self.address.target,
            "ssl": self.address.secure,
            "root_certificates": None if self.certificates is None else str(self.certificates),
            "channel_args": list(_CHANNEL),
        }

    def _arguments(self, method: str, timeout: float, given: Mapping[str, Any]) -> dict[str, Any]:
        metadata = {name.lower(): value for name, value in {**self.headers, **given.get("headers", {})}.items()}
        form = {"as_json": True} if method == "get_model_config" else {}
        return {**given, "client_timeout": timeout, "headers": metadata, **form}


@contextmanager
def _translated(address: Address) -> Iterator[None]:
    try:
        yield
    except InferenceServerException as error:
        raise from_status(address.url, error.status() or "", error.message() or "") from error


class BlockingGrpc(_Grpc, Blocking):
    """gRPC that blocks; safe to use from several threads."""

    def __init__(self, address: Address, headers: Mapping[str, str], certificates: Path | None) -> None:
        super().__init__(address, headers, certificates)
        with _translated(address):
            self._client = wire.InferenceServerClient(**self._options())  # connects on the first call

    async def call(self, method: str, timeout: float, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of `tritonclient.grpc.InferenceServerClient`."""
        with _translated(self.address):
            answer = getattr(self._client, method)(*args, **self._arguments(method, timeout, kwargs))
        return answer["config"] if method == "get_model_config" else answer

    async def close(self) -> None:
        """Frees the connection."""
        self._client.close()


class AsyncGrpc(_Grpc, Suspending):
    """gRPC for asyncio; a cancelled call is cancelled on the server too."""

    @cached_property
    def _client(self) -> Any:
        return aio.InferenceServerClient(**self._options())  # on first use, because it needs the running event loop

    async def call(self, method: str, timeout: float, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of `tritonclient.grpc.aio.InferenceServerClient`."""
        with _translated(self.address):
            answer = await getattr(self._client, method)(*args, **self._arguments(method, timeout, kwargs))
        return answer["config"] if method == "get_model_config" else answer

    async def close(self) -> None:
        """Frees the connection."""
        if "_client" in self.__dict__:
            await self._client.close()
