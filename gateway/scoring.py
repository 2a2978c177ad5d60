"""From bytes to verdict: the cache, the workers, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request

from awarenet.errors import AwareNetError, Cancelled
from awarenet.stages import Route
from gateway.cache import ResultCache, ResultKey
from gateway.leakage import LeakageCheck
from gateway.metrics import Metrics
from gateway.models import Models
from gateway.shadow import Shadow
from gateway.uploads import Upload
from gateway.workers import Progress, Task, WorkerPool

T = TypeVar("T")


@dataclass(frozen=True)
class Scored:
    """An answer.

    Attributes:
        verdict: As `awarenet.verdict.Verdict.to_dict`.
        content_credentials: As `gateway.provenance.ContentCredentials.to_dict`; beside the verdict, never part of it.
        etag: What the answer depends on, as a validator.
    """

    verdict: dict[str, Any]
    content_credentials: dict[str, Any]
    etag: str


class Scorer:
    """Scores pictures and frames.

    Args:
        pool: The workers.
        models: The policy in force.
        cache: Verdicts that are remembered.
        metrics: Where verdicts are counted.
        timeout_s: Longest time for one picture.
        shadow: Other models that are tried; None for none.
        leakage_check: Looks at some pictures again.
    """

    def __init__(
        self,
        pool: WorkerPool,
        models: Models,
        cache: ResultCache,
        metrics: Metrics,
        timeout_s: float,
        leakage_check: LeakageCheck,
        shadow: Shadow | None = None,
    ) -> None:
        self.pool = pool
        self.models = models
        self._cache = cache
        self._metrics = metrics
        self._timeout_s = timeout_s
        self.shadow = shadow
        self.leakage_check = leakage_check

    async def picture(self, upload: Upload, route: Route, *, admitted: bool = False) -> Scored:
        """Scores a picture, or remembers its verdict.

        Args:
            upload: The media.
            route: `cascade` or `full`.
            admitted: Whether it waits however long the queue is.

        Raises:
            AwareNetError: It cannot be scored.
        """
        policy = self.models.policy
        key = ResultKey.of(upload.sha256, policy, self.pool.face_engine, route)
        answer = self._cache.get(key)
        self._metrics.looked_up(answer is not None)
        if answer is None:
            task = Task("picture", upload.name, route, self._timeout_s, policy.version)
            answer = await self.run(task, upload.descriptor, admitted=admitted)
            verdict = answer["verdict"]
            self._cache.put(
                ResultKey(upload.sha256, verdict["model_version"], verdict["policy_version"], key.face_engine, route),
                answer,
            )
            if self.shadow is not None:
                self.shadow.offer(upload.descriptor, verdict)
            if route == "full":
                self.leakage_check.count(verdict)
            else:
                self.leakage_check.offer(upload.descriptor, verdict)
        return Scored({**answer["verdict"], "path": upload.name}, answer["content_credentials"], key.etag)

    async def run(
        self,
        task: Task,
        media: int,
        *,
        pool: WorkerPool | None = None,
        admitted: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Has a worker score media, and counts what comes of it; see `WorkerPool.run`.

        Args:
            task: What to do.
            media: Its file descriptor.
            pool: Other workers than those for pictures.
            admitted: Whether it waits however long the queue is.
            progress: Told the share that is done.

        Returns:
            `verdict` and `content_credentials`.
        """
        try:
            answer = await (pool or self.pool).run(task, media, admitted=admitted, progress=progress)
        except AwareNetError as error:
            self._metrics.refused(error.code)
            raise
        self._metrics.scored(answer["verdict"])
        return answer


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Does work for a caller, and gives it up when the caller leaves.

    Args:
        request: The caller's request, its body read to the end.
        work: The work.

    Raises:
        Cancelled: The caller left.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Cancelled("the caller left before the answer was there")
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait({working, leaving})  # What the work uses must outlive it.
