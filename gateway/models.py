"""Which models and policy the Triton server has, asked again and again, because it may be restarted with others."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Final

import structlog
from awarenet_client import AsyncClient, ClientError

from awarenet.errors import AwareNetError, Unavailable
from awarenet.policy import Policy

_PAUSE_S: Final = 5.0
_TIMEOUT_S: Final = 5.0

_log = structlog.get_logger("models")


class Models:
    """The policy in force; belongs to one event loop.

    Args:
        url: The Triton server.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._policy: Policy | None = None
        self._client: AsyncClient | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Asks once, and then regularly. A server that is not there yet is no error."""
        self._client = AsyncClient(self._url, timeout=_TIMEOUT_S, retries=0, shared_memory=False)
        await self._ask()
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stops asking."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    @property
    def known(self) -> Policy | None:
        """The policy that the server had last; None where it never answered."""
        return self._policy

    @property
    def policy(self) -> Policy:
        """The policy that the server had last.

        Raises:
            Unavailable: It never answered.
        """
        if self._policy is None:
            raise Unavailable("the Triton server does not answer yet; try again in some seconds")
        return self._policy

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_PAUSE_S if self._policy else 0.5)
            await self._ask()

    async def _ask(self) -> None:
        assert self._client is not None
        try:
            policy = Policy.from_json(json.dumps(await self._client.policy()))
        except (ClientError, AwareNetError) as error:
            _log.debug("triton does not say its policy", reason=str(error))
            return
        if self._policy is None or policy.version != self._policy.version:
            _log.info("policy", model_version=policy.model_version, policy_version=policy.version)
        self._policy = policy


async def forget_regions(url: str, pid: int) -> None:
    """Makes a Triton server on this machine unmap the shared memory of a worker that was killed.

    A killed client cannot do so itself, and the server would hold its 32 MiB until it ends.

    Args:
        url: The Triton server.
        pid: Process id of the worker.
    """
    from tritonclient.utils import InferenceServerException

    mark = f"awarenet-client-{pid}-"
    if not url.startswith("grpc://"):
        return
    from tritonclient.grpc import aio

    client = aio.InferenceServerClient(url.removeprefix("grpc://"))
    with contextlib.suppress(InferenceServerException):
        status = await client.get_system_shared_memory_status(client_timeout=_TIMEOUT_S)
        for name in status.regions:
            if name.startswith(mark):
                await client.unregister_system_shared_memory(name, client_timeout=_TIMEOUT_S)
    await client.close()
