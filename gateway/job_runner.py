"""Does the jobs of the queue: claims one, has it done under a lease, and says what came out, once."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import secrets
import socket
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Protocol

import structlog

from awarenet.errors import AwareNetError, Cancelled, DeadlineExceeded, LeaseLost, Unavailable
from gateway.auditing import Auditor
from gateway.identity import Principal
from gateway.jobs import Lease, Waiting
from gateway.stores import Retention, Stores
from gateway.timing import within

_IDLE_S: Final = 0.5
_TROUBLE_S: Final = 2.0
_TIDY_S: Final = 60.0
_LOOK_S: Final = 2.0
"""With the two seconds between scrapes (monitoring/prometheus.yaml) what is shown is less than five seconds old."""
_BEATS: Final = 4
"""Heartbeats in the time of a lease."""

_log = structlog.get_logger("jobs")

Advance = Callable[[float], None]
"""Told the share of a job that is done, 0 to 1."""


class Work(Protocol):
    """What is done with the jobs of one kind.

    Attributes:
        kind: Their kind.
        slots: How many are done at once here; 0 leaves them to other gateways on the same queue.
        action: What a finished one is called in the audit log.
    """

    kind: str
    slots: int
    action: str

    @property
    def ready(self) -> bool:
        """Whether a job can be done now."""

    async def do(self, lease: Lease, advance: Advance) -> dict[str, Any]:
        """Does one job.

        Returns:
            What came out, plain JSON values.

        Raises:
            Unavailable: Not now; the job waits, and this does not count as an attempt.
            AwareNetError: The attempt failed.
        """

    def noted(self, result: dict[str, Any]) -> dict[str, Any]:
        """What of a result goes into the audit log."""


class JobRunner:
    """Works through the queue; belongs to one event loop.

    Args:
        stores: The queue, which other gateways may share, and the media; tidied now and then.
        retention: For how long finished jobs are kept.
        works: What is done with which kind of job.
        audit: Where results are noted.
        watched: The kinds whose waiting jobs are counted all the time, for `waiting`.
    """

    def __init__(
        self, stores: Stores, retention: Retention, works: Sequence[Work], audit: Auditor, watched: Collection[str]
    ) -> None:
        self._stores = stores
        self._store = stores.jobs
        self._retention = retention
        self._works = {work.kind: work for work in works}
        self._audit = audit
        self._watched = watched
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._changed = asyncio.Event()
        self._ending = False
        self._progress: dict[str, float] = {}
        self._waiting: dict[str, Waiting] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._attempts: dict[asyncio.Task[None], str] = {}

    def start(self) -> None:
        """Begins to work."""
        self._tasks = [asyncio.create_task(work()) for work in (self._work, self._tidy, self._look)]

    def arrived(self) -> None:
        """Says that there is a new job here; others are found by looking now and then."""
        self._changed.set()

    def waiting(self, kind: str) -> Waiting:
        """What waited of a watched kind a moment ago, on all gateways together; not a number where nobody knows."""
        return self._waiting.get(kind, Waiting(math.nan, math.nan))

    def stop(self) -> None:
        """Takes no more jobs."""
        self._ending = True

    async def close(self) -> None:
        """Gives back what is under way, and ends."""
        self.stop()
        tasks = [*self._tasks, *self._attempts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        """Claims a job for each free slot; one look at the queue serves all kinds."""
        while True:
            self._changed.clear()
            lease: Lease | None = None
            kinds = [] if self._ending else [kind for kind, work in self._works.items() if self._free(work)]
            try:
                if kinds:
                    lease = await asyncio.to_thread(self._store.claim, self._holder, kinds)
            except AwareNetError as error:
                await self._trouble(error)
                continue
            if lease is None:
                with contextlib.suppress(asyncio.TimeoutError):
                    await within(_IDLE_S, self._changed.wait())
                continue
            attempt = asyncio.create_task(self._attempted(self._works[lease.job.kind], lease))
            self._attempts[attempt] = lease.job.kind
            attempt.add_done_callback(self._left)

    def _free(self, work: Work) -> bool:
        return work.ready and list(self._attempts.values()).count(work.kind) < work.slots

    def _left(self, attempt: asyncio.Task[None]) -> None:
        del self._attempts[attempt]
        self._changed.set()

    async def _attempted(self, work: Work, lease: Lease) -> None:
        try:
            await self._attempt(work, lease)
        except AwareNetError as error:
            await self._trouble(error)

    async def _trouble(self, error: AwareNetError) -> None:
        _log.error("the queue cannot be used; trying again", reason=str(error))
        await asyncio.sleep(_TROUBLE_S)

    async def _attempt(self, work: Work, lease: Lease) -> None:
        """One attempt at a job, under its lease."""
        job = lease.job
        structlog.contextvars.bind_contextvars(job=job.id)
        doing = asyncio.ensure_future(self._do(work, lease))
        beat = asyncio.ensure_future(self._beat(lease))
        try:
            await asyncio.wait({doing, beat}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                beat.result()
            result = doing.result()
            await asyncio.to_thread(self._store.complete, lease, result)
            self._note(work, lease, "succeeded", work.noted(result))
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
            self._note(work, lease, error.code)
        except asyncio.CancelledError:
            await asyncio.to_thread(self._store.release, lease)
            raise
        finally:
            for task in (doing, beat):
                task.cancel()
            await asyncio.gather(doing, beat, return_exceptions=True)

    async def _do(self, work: Work, lease: Lease) -> dict[str, Any]:
        self._progress[lease.job.id] = 0.0

        def advance(share: float) -> None:
            self._progress[lease.job.id] = share

        try:
            return await work.do(lease, advance)
        finally:
            self._progress.pop(lease.job.id, None)

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

    def _note(self, work: Work, lease: Lease, outcome: str, details: dict[str, Any] | None = None) -> None:
        principal = Principal(lease.job.owner)
        self._audit.record(principal, work.action, outcome, resource=lease.job.id, **(details or {}))

    async def _tidy(self) -> None:
        """Deletes what is finished, and what crashes have left."""
        while True:
            try:
                await asyncio.to_thread(self._stores.tidy, self._retention)
            except AwareNetError as error:
                _log.warning("tidying up failed", reason=str(error))
            await asyncio.sleep(_TIDY_S)

    async def _look(self) -> None:
        """Sees what waits, so that whoever reads the metrics waits for no database."""
        while True:
            try:
                self._waiting = {kind: await asyncio.to_thread(self._store.waiting, kind) for kind in self._watched}
            except AwareNetError:
                self._waiting = {}
            await asyncio.sleep(_LOOK_S)
