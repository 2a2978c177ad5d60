"""Does the jobs of the queue: claims one, has a worker score it, and says what came out, once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from typing import Any, Final

import structlog

from awarenet.errors import AwareNetError, Cancelled, DeadlineExceeded, LeaseLost, Unavailable
from gateway.auditing import Auditor
from gateway.identity import Principal
from gateway.jobs import Lease
from gateway.scoring import Scorer
from gateway.stores import Retention, Stores
from gateway.timing import within
from gateway.workers import Task, WorkerPool

KIND: Final = "clip"

_IDLE_S: Final = 0.5
_TROUBLE_S: Final = 2.0
_TIDY_S: Final = 60.0
_BEATS: Final = 4
"""Heartbeats in the time of a lease."""

_log = structlog.get_logger("jobs")


class JobRunner:
    """Works through the queue; belongs to one event loop.

    Args:
        stores: The queue, which other gateways may share, and the media; tidied now and then.
        retention: For how long finished jobs are kept.
        pool: Workers of its own: a clip takes seconds, and pictures must not wait for it.
        scorer: Knows the policy, and counts verdicts.
        audit: Where results are noted.
        timeout_s: Longest time for one attempt.
    """

    def __init__(
        self,
        stores: Stores,
        retention: Retention,
        pool: WorkerPool,
        scorer: Scorer,
        audit: Auditor,
        *,
        timeout_s: float,
    ) -> None:
        self.pool = pool
        self._stores = stores
        self._store = stores.jobs
        self._retention = retention
        self._scorer = scorer
        self._audit = audit
        self._timeout_s = timeout_s
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._arrived = asyncio.Event()
        self._ending = False
        self._progress: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to work."""
        if self.pool.size:
            await self.pool.start()
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self.pool.size)]
        self._tasks.append(asyncio.create_task(self._tidy()))

    def arrived(self) -> None:
        """Says that there is a new job here; others are found by looking now and then."""
        self._arrived.set()

    def stop(self) -> None:
        """Takes no more jobs."""
        self._ending = True

    async def close(self) -> None:
        """Gives back what is under way, and ends."""
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.pool.close()

    async def _work(self) -> None:
        while True:
            lease: Lease | None = None
            try:
                if not self._ending and self._scorer.models.known is not None:
                    lease = await asyncio.to_thread(self._store.claim, self._holder, [KIND])
                if lease is None:
                    await self._rest()
                    continue
                await self._attempt(lease)
            except AwareNetError as error:
                _log.error("the queue cannot be used; trying again", reason=str(error))
                await asyncio.sleep(_TROUBLE_S)

    async def _rest(self) -> None:
        self._arrived.clear()
        with contextlib.suppress(asyncio.TimeoutError):
            await within(_IDLE_S, self._arrived.wait())

    async def _attempt(self, lease: Lease) -> None:
        """One attempt at a job, under its lease."""
        job = lease.job
        structlog.contextvars.bind_contextvars(job=job.id)
        work = asyncio.ensure_future(self._score(lease))
        beat = asyncio.ensure_future(self._beat(lease))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                beat.result()
            verdict = work.result()
            await asyncio.to_thread(self._store.complete, lease, {"verdict": verdict})
            self._note(lease, "succeeded", verdict)
        except (Cancelled, LeaseLost) as error:
            _log.info("a job is given up", reason=str(error))
        except Unavailable as error:
            # Not the job's fault: it waits, and this does not count as an attempt.
            _log.warning("a job waits for the service", reason=str(error))
            await asyncio.sleep(_TROUBLE_S)
            await asyncio.to_thread(self._store.release, lease)
        except AwareNetError as error:
            retry = False if isinstance(error, DeadlineExceeded) else None
            state = await asyncio.to_thread(self._store.fail, lease, error, retry=retry)
            _log.warning("an attempt at a job failed", state=state.value, reason=str(error))
            self._note(lease, error.code)
        except asyncio.CancelledError:
            await asyncio.to_thread(self._store.release, lease)
            raise
        finally:
            for task in (work, beat):
                task.cancel()
            await asyncio.gather(work, beat, return_exceptions=True)

    async def _score(self, lease: Lease) -> dict[str, Any]:
        job = lease.job
        media = os.memfd_create("clip", os.MFD_CLOEXEC)
        try:
            await asyncio.to_thread(self._decrypt, str(job.media_id), media)
            task = Task(
                "media",
                str(job.request.get("name", "media")),
                job.request.get("route", "cascade"),
                self._timeout_s,
                self._scorer.models.policy.version,
            )
            self._progress[job.id] = 0.0

            def advance(share: float) -> None:
                self._progress[job.id] = share

            return await self._scorer.run(task, media, pool=self.pool, progress=advance)
        finally:
            os.close(media)
            self._progress.pop(job.id, None)

    async def _beat(self, lease: Lease) -> None:
        """Keeps the lease and passes on how far the job is; ends when the job is no longer ours."""
        told: float | None = None
        while True:
            await asyncio.sleep(min(1.0, lease.duration_s / _BEATS))
            progress = self._progress.get(lease.job.id)
            news = None if progress == told else progress
            try:
                await asyncio.to_thread(self._store.heartbeat, lease, news)
                told = progress
            except Unavailable as error:
                _log.warning("no heartbeat", reason=str(error))

    def _decrypt(self, media_id: str, media: int) -> None:
        for part in self._stores.vault.read(media_id):
            while part:
                part = part[os.write(media, part) :]

    def _note(self, lease: Lease, outcome: str, verdict: dict[str, Any] | None = None) -> None:
        details: dict[str, Any] = {"resource": lease.job.id}
        if verdict is not None:
            details |= {name: verdict[name] for name in ("verdict", "model_version", "policy_version")}
        self._audit.record(Principal(lease.job.owner), "jobs.result", outcome, **details)

    async def _tidy(self) -> None:
        """Deletes what is finished, and what crashes have left."""
        while True:
            try:
                await asyncio.to_thread(self._stores.tidy, self._retention)
            except AwareNetError as error:
                _log.warning("tidying up failed", reason=str(error))
            await asyncio.sleep(_TIDY_S)
