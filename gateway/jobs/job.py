"""What a job is: its states, and what callers and workers see of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from awarenet.errors import InvalidInput

LONGEST_IDEMPOTENCY_KEY: Final = 255
"""Characters."""


class JobState(str, Enum):
    """Where a job is: `queued` and `running` may change, the others are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing changes any more."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class NewJob:
    """A job to be put into the queue.

    Attributes:
        kind: What is to be done; workers claim by kind.
        request: The parameters of the job, plain JSON values.
        media_id: The object of the vault that the job is about; the job owns it from then on.
        media_sha256: Digest of that media in plain; part of the request's hash, and not kept itself.
        idempotency_key: The caller's name for this request; a second request of that name is the same job.

    Raises:
        InvalidInput: The idempotency key is empty, too long, or not printable ASCII.
    """

    kind: str
    request: Mapping[str, Any] = field(default_factory=dict)
    media_id: str | None = None
    media_sha256: str | None = None
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        key = self.idempotency_key
        if key is not None and not (0 < len(key) <= LONGEST_IDEMPOTENCY_KEY and key.isascii() and key.isprintable()):
            raise InvalidInput(f"an idempotency key has 1 to {LONGEST_IDEMPOTENCY_KEY} printable ASCII characters")

    @property
    def request_hash(self) -> str:
        """SHA-256 over what is asked for; equal requests have equal hashes, whatever the order of their fields."""
        asked = json.dumps([self.kind, self.request, self.media_sha256], sort_keys=True, allow_nan=False)
        return hashlib.sha256(asked.encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """One job as it was at one moment.

    Attributes:
        id: 32 hexadecimal digits, not to be guessed.
        kind: What is to be done.
        owner: The subject that it belongs to.
        state: Where it is.
        request: Its parameters.
        media_id: Its media in the vault; None without, or once deleted.
        attempts: How often it was begun.
        progress: Done so far, 0 to 1.
        detail: What the worker last said about it.
        result: What came out, once it has succeeded.
        error_code: The stable code of the last failure.
        error: The last failure in words.
        created: Seconds since 1970.
        started: When it was last begun, seconds since 1970.
        finished: When it came to a final state, seconds since 1970.
        version: Grows with every change; an ETag, and the id of a server-sent event.
    """

    id: str
    kind: str
    owner: str
    state: JobState
    request: dict[str, Any]
    media_id: str | None
    attempts: int
    progress: float
    detail: dict[str, Any] | None
    result: dict[str, Any] | None
    error_code: str | None
    error: str | None
    created: float
    started: float | None
    finished: float | None
    version: int


@dataclass(frozen=True)
class Waiting:
    """What waits of one kind.

    Attributes:
        jobs: How many jobs.
        seconds: For how long the first of them could have been begun; 0 where none could.
    """

    jobs: float
    seconds: float


@dataclass(frozen=True)
class Lease:
    """A worker's right to one job, until it runs out.

    Attributes:
        job: The job as it was claimed.
        fence: Grows with each claim of the job; what is said under an older one is refused.
        duration_s: Seconds from the claim, or the last heartbeat, until another worker may take the job.
    """

    job: Job
    fence: int
    duration_s: float
