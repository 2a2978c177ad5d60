"""The queue: at least once by leases, and a result exactly once by fencing.

A worker claims a job for a while and renews that lease by heartbeats. When the lease runs out another worker may claim
the job; each claim raises the job's fence, and whatever the former holder says under the old fence is refused
(fencing tokens; Kleppmann, Designing Data-Intensive Applications, chapter 8).

Time is the database's (`Database.now`). No instant that this module writes lies further ahead than its own duration;
one that does was written before the clock was set back, and counts as reached. So a clock that jumps back delays a
lease or a retry by at most its own length, and one that jumps forward costs at worst a second attempt.
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from awarenet.errors import (
    AwareNetError,
    Cancelled,
    Conflict,
    InvalidInput,
    LeaseLost,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from gateway.database import Database
from gateway.jobs.job import Job, JobState, Lease, NewJob, Waiting
from gateway.schema import JOBS

_OPEN: Final = (JobState.QUEUED.value, JobState.RUNNING.value)
_ABANDONED: Final = "abandoned"


Follow = Callable[[Job], Sequence[NewJob]]
"""What follows from a job that has succeeded or failed for good: jobs of the same owner, queued in the transaction that
ends it. The limits of the queue do not apply to them."""


class Media(Protocol):
    """Where the media of jobs lies."""

    def delete(self, media_id: str) -> None:
        """Deletes an object for good; one that is gone already is no error."""


@dataclass(frozen=True)
class JobLimits:
    """What a queue allows.

    Attributes:
        lease_s: Seconds that a worker has between two heartbeats.
        attempts: How often a job is begun before it fails for good.
        backoff_s: Seconds until the first retry; doubled for each further one.
        longest_backoff_s: Most seconds between two attempts.
        open_jobs: Most jobs that may be unfinished in all.
        open_jobs_per_owner: Most jobs that one owner may have unfinished.
    """

    lease_s: float = 30.0
    attempts: int = 3
    backoff_s: float = 2.0
    longest_backoff_s: float = 300.0
    open_jobs: int = 1000
    open_jobs_per_owner: int = 100


class JobStore:
    """Jobs in the database.

    Every method may be called from any thread and is one transaction, save `delete` and `purge`.

    Args:
        database: A migrated database.
        media: Where the media of jobs lies.
        limits: What the queue allows; None for the defaults.
        follow: What follows from a finished job (a webhook, say); None for nothing.

    Every method raises `Unavailable` when the database is locked, gone or full; nothing is then half-written.
    """

    def __init__(
        self, database: Database, media: Media, limits: JobLimits | None = None, follow: Follow | None = None
    ) -> None:
        self._database = database
        self._media = media
        self._limits = limits or JobLimits()
        self._follow: Follow = follow or (lambda job: ())

    # What callers do.

    def enqueue(self, owner: str, new: NewJob) -> tuple[Job, bool]:
        """Puts a job into the queue.

        Args:
            owner: The subject that it belongs to.
            new: The job.

        Returns:
            The job, and whether it is new. False means that the owner has sent this request under this idempotency
            key before: that job is returned, and the media of this request is still the caller's.

        Raises:
            Conflict: The owner has used the idempotency key for another request.
            TooManyRequests: The owner has too many unfinished jobs.
            Unavailable: The queue is full.
        """
        with self._database.writing() as connection:
            if found := self._same_request(connection, owner, new):
                return found, False
            self._check_room(connection, owner)
            if (row := self._insert(connection, owner, new)) is not None:
                return _job(row), True
            # Another gateway was faster with the same key; its transaction is over by now.
            if found := self._same_request(connection, owner, new):
                return found, False
        raise Unavailable("the job of this idempotency key has just been deleted; send the request again")

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: There is none of that id.
        """
        with self._database.reading() as connection:
            return _job(self._row(connection, job_id))

    def changed(self, job_id: str, since: int) -> Job | None:
        """The job if its version is not `since`, else None: what a stream of events asks again and again.

        Raises:
            NotFound: The job is gone; the stream is over.
        """
        job = self.get(job_id)
        return None if job.version == since else job

    def find(
        self, owner: str | None = None, *, kind: str | None = None, limit: int = 50, before: str | None = None
    ) -> list[Job]:
        """Jobs, the newest first.

        Args:
            owner: Only this owner's; None for everybody's.
            kind: Only of this kind.
            limit: Most jobs returned, 1 to 500.
            before: Id of a job; only older ones are returned (the next page).

        Raises:
            NotFound: The job named by `before` is gone; start again from the newest.
            InvalidInput: The limit is out of range.
        """
        if not 1 <= limit <= 500:
            raise InvalidInput(f"limit is {limit}; give 1 to 500")
        wanted = select(JOBS).order_by(JOBS.c.created.desc(), JOBS.c.id.desc()).limit(limit)
        if owner is not None:
            wanted = wanted.where(JOBS.c.owner == owner)
        if kind is not None:
            wanted = wanted.where(JOBS.c.kind == kind)
        with self._database.reading() as connection:
            if before is not None:
                last = self._row(connection, before)
                older = and_(JOBS.c.created == last.created, JOBS.c.id < last.id)
                wanted = wanted.where(or_(JOBS.c.created < last.created, older))
            return [_job(row) for row in connection.execute(wanted)]

    def cancel(self, job_id: str) -> Job:
        """Ends a job that is not finished; its worker learns it at the next heartbeat. Once cancelled, does nothing.

        Raises:
            NotFound: There is no such job.
            Conflict: The job is finished.
        """
        with self._database.writing() as connection:
            now = self._database.now(connection)
            if row := self._cancel(connection, job_id, now):
                return _job(row)
            job = _job(self._row(connection, job_id))
        if job.state is not JobState.CANCELLED:
            raise Conflict(f"job {job_id} has {job.state.value} already; delete it instead")
        return job

    def delete(self, job_id: str) -> None:
        """Deletes a job for good, its media first. A failure half-way leaves it cancelled: delete it again.

        Raises:
            NotFound: There is no such job.
        """
        with self._database.writing() as connection:
            self._cancel(connection, job_id, self._database.now(connection))
            media_id = self._row(connection, job_id).media_id
        if media_id is not None:
            self._media.delete(media_id)
        with self._database.writing() as connection:
            connection.execute(delete(JOBS).where(JOBS.c.id == job_id))

    def depth(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        with self._database.reading() as connection:
            counted = connection.execute(select(JOBS.c.state, func.count()).group_by(JOBS.c.state)).all()
        return dict.fromkeys(JobState, 0) | {JobState(state): count for state, count in counted}

    def waiting(self, kind: str) -> Waiting:
        """What waits of a kind, whichever gateway took it in."""
        queued = and_(JOBS.c.state == JobState.QUEUED.value, JOBS.c.kind == kind)
        with self._database.reading() as connection:
            jobs, due = connection.execute(select(func.count(), func.min(JOBS.c.due)).where(queued)).one()
            return Waiting(jobs, 0.0 if due is None else max(0.0, self._database.now(connection) - due))

    # What workers do.

    def claim(self, holder: str, kinds: Collection[str]) -> Lease | None:
        """Takes the job that has waited longest, or one whose lease has run out.

        A job that has run out of attempts by killing its workers fails here.

        Args:
            holder: The worker, for people who look into the database.
            kinds: The kinds of job that it can do.

        Returns:
            The lease; None when there is nothing to do.
        """
        with self._database.writing() as connection:
            now = self._database.now(connection)
            limits = self._limits
            ready = and_(JOBS.c.state == JobState.QUEUED.value, _reached(JOBS.c.due, now, limits.longest_backoff_s))
            left = and_(JOBS.c.state == JobState.RUNNING.value, _reached(JOBS.c.lease_expires, now, limits.lease_s))
            spent = select(JOBS.c.id).where(left, JOBS.c.attempts >= limits.attempts)
            abandoned = connection.execute(
                update(JOBS)
                .where(JOBS.c.id.in_(spent.with_for_update(skip_locked=True)))
                .values(**_final(JobState.FAILED, now))
                .values(error_code=_ABANDONED, error=f"the worker died at each of {limits.attempts} attempts")
                .returning(JOBS)
            ).all()
            for row in abandoned:
                self._queue_what_follows(connection, _job(row))
            first = (
                select(JOBS.c.id)
                .where(JOBS.c.kind.in_(kinds), or_(ready, and_(left, JOBS.c.attempts < limits.attempts)))
                .order_by(JOBS.c.due, JOBS.c.created)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            claimed = connection.execute(
                update(JOBS)
                .where(JOBS.c.id == first.scalar_subquery())
                .values(
                    state=JobState.RUNNING.value,
                    holder=holder,
                    fence=JOBS.c.fence + 1,
                    attempts=JOBS.c.attempts + 1,
                    lease_expires=now + limits.lease_s,
                    started=now,
                    progress=0.0,
                    detail=None,
                    version=JOBS.c.version + 1,
                )
                .returning(JOBS)
            ).one_or_none()
        return None if claimed is None else Lease(_job(claimed), claimed.fence, limits.lease_s)

    def heartbeat(self, lease: Lease, progress: float | None = None, detail: dict[str, Any] | None = None) -> None:
        """Renews a lease, and says how far the job is.

        Args:
            lease: The worker's lease.
            progress: Done so far, 0 to 1; it never goes back within an attempt.
            detail: Plain JSON values to show beside it.

        Raises:
            Cancelled: The job was cancelled or deleted; stop.
            LeaseLost: Another worker has the job; stop.
        """
        with self._database.writing(lasting=False) as connection:
            now = self._database.now(connection)
            values: dict[str, Any] = {"lease_expires": now + self._limits.lease_s}
            if progress is not None or detail is not None:
                values["version"] = JOBS.c.version + 1
            if progress is not None:
                done = min(max(0.0, progress), 1.0)  # in this order NaN becomes 0
                greatest = func.max if self._database.dialect == "sqlite" else func.greatest
                values["progress"] = greatest(JOBS.c.progress, done)
            if detail is not None:
                values["detail"] = _dumps(detail)
            self._change(connection, lease, values)

    def complete(self, lease: Lease, result: dict[str, Any]) -> None:
        """Finishes a job.

        Saying it twice under one lease is saying it once, so a worker may repeat it after a lost connection.

        Args:
            lease: The worker's lease.
            result: What came out, plain JSON values.

        Raises:
            Cancelled: The job was cancelled or deleted; the result is dropped.
            LeaseLost: Another worker has the job; the result is dropped.
        """
        with self._database.writing() as connection:
            now = self._database.now(connection)
            values = _final(JobState.SUCCEEDED, now) | {"result": _dumps(result), "progress": 1.0}
            values |= {"error": None, "error_code": None}
            if self._change(connection, lease, values, repeated=JobState.SUCCEEDED):
                self._queue_what_follows(connection, _job(self._row(connection, lease.job.id)))

    def fail(self, lease: Lease, error: AwareNetError, *, retry: bool | None = None) -> JobState:
        """Ends an attempt: the job waits for the next one, or fails for good.

        Args:
            lease: The worker's lease.
            error: What went wrong; its code and message are shown to the owner.
            retry: Whether another attempt may help; None: not for errors of the input.

        Returns:
            `queued` when it is tried again, `failed` when not.

        Raises:
            Cancelled: The job was cancelled or deleted.
            LeaseLost: Another worker has the job.
        """
        limits = self._limits
        again = (
            not isinstance(error, InvalidInput) if retry is None else retry
        ) and lease.job.attempts < limits.attempts
        with self._database.writing() as connection:
            now = self._database.now(connection)
            values = self._waiting(now + self._backoff(lease.job.attempts)) if again else _final(JobState.FAILED, now)
            values |= {"error_code": error.code, "error": _storable(str(error))}
            if self._change(connection, lease, values, repeated=None if again else JobState.FAILED) and not again:
                self._queue_what_follows(connection, _job(self._row(connection, lease.job.id)))
        return JobState.QUEUED if again else JobState.FAILED

    def release(self, lease: Lease) -> None:
        """Gives a job back untouched (the worker is told to stop); it does not count as an attempt.

        Raises:
            Cancelled: The job was cancelled or deleted.
            LeaseLost: Another worker has the job.
        """
        with self._database.writing() as connection:
            values = self._waiting(self._database.now(connection)) | {"attempts": JOBS.c.attempts - 1}
            self._change(connection, lease, values)

    # What housekeeping does.

    def purge(self, finished_s: float, media_s: float = 0.0, *, at_most: int = 500) -> int:
        """Deletes finished jobs after a time, and their media after another; one transaction a job.

        Args:
            finished_s: Seconds for which a finished job is kept.
            media_s: Seconds for which its media is kept; 0 deletes it as soon as the job is finished.
            at_most: Most jobs looked at in one call.

        Returns:
            How many jobs were deleted, or lost their media.
        """
        with self._database.reading() as connection:
            now = self._database.now(connection)
            old = JOBS.c.finished <= now - finished_s
            idle = and_(JOBS.c.finished <= now - media_s, JOBS.c.media_id.is_not(None))
            wanted = select(JOBS.c.id, JOBS.c.media_id, old.label("old")).where(or_(old, idle)).limit(at_most)
            found = connection.execute(wanted).all()
        for row in found:
            if row.media_id is not None:
                self._media.delete(row.media_id)
            with self._database.writing() as connection:
                if row.old:
                    connection.execute(delete(JOBS).where(JOBS.c.id == row.id))
                else:
                    connection.execute(update(JOBS).where(JOBS.c.id == row.id).values(media_id=None))
        return len(found)

    def media_in_use(self) -> set[str]:
        """The media that jobs own; anything else in the vault is left over from a crash."""
        with self._database.reading() as connection:
            return set(connection.execute(select(JOBS.c.media_id).where(JOBS.c.media_id.is_not(None))).scalars())

    def _row(self, connection: Connection, job_id: str) -> Row[Any]:
        row = connection.execute(select(JOBS).where(JOBS.c.id == job_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no job {job_id}; it may have been deleted, or kept long enough")
        return row

    def _same_request(self, connection: Connection, owner: str, new: NewJob) -> Job | None:
        if new.idempotency_key is None:
            return None
        same_key = and_(JOBS.c.owner == owner, JOBS.c.idempotency_key == new.idempotency_key)
        row = connection.execute(select(JOBS).where(same_key)).one_or_none()
        if row is not None and row.request_hash != new.request_hash:
            raise Conflict("this Idempotency-Key belongs to another request; choose a new one for each request")
        return None if row is None else _job(row)

    def _check_room(self, connection: Connection, owner: str) -> None:
        """Holds the queue to its limits; on PostgreSQL requests at the same moment may overshoot by their number."""
        unfinished = select(func.count()).where(JOBS.c.state.in_(_OPEN))
        if connection.execute(unfinished).scalar_one() >= self._limits.open_jobs:
            raise Unavailable(f"the queue is full ({self._limits.open_jobs} jobs); try again later")
        if connection.execute(unfinished.where(JOBS.c.owner == owner)).scalar_one() >= self._limits.open_jobs_per_owner:
            most = self._limits.open_jobs_per_owner
            raise TooManyRequests(f"you have {most} unfinished jobs; wait for one or cancel one", self._limits.lease_s)

    def _insert(self, connection: Connection, owner: str, new: NewJob) -> Row[Any] | None:
        now = self._database.now(connection)
        insert = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
        return connection.execute(
            insert(JOBS)
            .values(
                id=secrets.token_hex(16),
                kind=new.kind,
                owner=owner,
                state=JobState.QUEUED.value,
                request=_dumps(dict(new.request)),
                request_hash=new.request_hash,
                idempotency_key=new.idempotency_key,
                media_id=new.media_id,
                attempts=0,
                fence=0,
                due=now,
                progress=0.0,
                created=now,
                version=1,
            )
            .on_conflict_do_nothing(index_elements=["owner", "idempotency_key"])
            .returning(JOBS)
        ).one_or_none()

    def _queue_what_follows(self, connection: Connection, job: Job) -> None:
        for new in self._follow(job):
            self._insert(connection, job.owner, new)

    def _cancel(self, connection: Connection, job_id: str, now: float) -> Row[Any] | None:
        values = _final(JobState.CANCELLED, now)
        chosen = and_(JOBS.c.id == job_id, JOBS.c.state.in_(_OPEN))
        return connection.execute(update(JOBS).where(chosen).values(**values).returning(JOBS)).one_or_none()

    def _change(
        self, connection: Connection, lease: Lease, values: dict[str, Any], *, repeated: JobState | None = None
    ) -> bool:
        """Changes a running job under a lease; False when the lease has already brought it to the state `repeated`."""
        held = and_(JOBS.c.id == lease.job.id, JOBS.c.fence == lease.fence, JOBS.c.state == JobState.RUNNING.value)
        if connection.execute(update(JOBS).where(held).values(**values)).rowcount:
            return True
        row = connection.execute(select(JOBS.c.state, JOBS.c.fence).where(JOBS.c.id == lease.job.id)).one_or_none()
        if row is None or row.state == JobState.CANCELLED.value:
            raise Cancelled(f"job {lease.job.id} was {'deleted' if row is None else 'cancelled'}")
        if repeated is not None and row.fence == lease.fence and row.state == repeated.value:
            return False
        raise LeaseLost(f"the lease of job {lease.job.id} ran out and another worker took it")

    def _waiting(self, due: float) -> dict[str, Any]:
        values = {"state": JobState.QUEUED.value, "due": due, "lease_expires": None, "holder": None}
        return values | {"version": JOBS.c.version + 1}

    def _backoff(self, attempts: int) -> float:
        """Seconds until the next attempt: doubled each time, the upper half of it by chance against herds."""
        longest = min(self._limits.backoff_s * 2.0 ** (attempts - 1), self._limits.longest_backoff_s)
        return longest * random.uniform(0.5, 1.0)


def _reached(instant: ColumnElement[Any], now: float, longest: float) -> ColumnElement[bool]:
    """Whether an instant has come, or lies further ahead than it can have been set (the clock was set back)."""
    return or_(instant <= now, instant > now + longest)


def _final(state: JobState, now: float) -> dict[str, Any]:
    values = {"state": state.value, "finished": now, "lease_expires": None, "holder": None}
    return values | {"version": JOBS.c.version + 1}


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        owner=row.owner,
        state=JobState(row.state),
        request=json.loads(row.request),
        media_id=row.media_id,
        attempts=row.attempts,
        progress=row.progress,
        detail=None if row.detail is None else json.loads(row.detail),
        result=None if row.result is None else json.loads(row.result),
        error_code=row.error_code,
        error=row.error,
        created=row.created,
        started=row.started,
        finished=row.finished,
        version=row.version,
    )


def _storable(message: str) -> str:
    """A message without what a text column cannot hold (a NUL, half a surrogate pair)."""
    return message.encode("utf-8", "replace").decode().replace("\0", "")


def _dumps(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
