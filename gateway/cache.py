"""Answers that are remembered: verdicts for the same bytes, and responses for the same `Idempotency-Key`."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from awarenet.errors import Conflict
from awarenet.policy import Policy
from awarenet.stages import Route
from gateway.problems import KeyReused

_KEYS: Final = 10_000


@dataclass(frozen=True)
class ResultKey:
    """What a verdict depends on.

    Attributes:
        sha256: Of the bytes of the media.
        model_version: Of the models.
        policy_version: Of the policy.
        face_engine: What finds the faces.
        route: How the cascade runs.
    """

    sha256: str
    model_version: str
    policy_version: str
    face_engine: str
    route: Route

    @classmethod
    def of(cls, sha256: str, policy: Policy, face_engine: str, route: Route) -> ResultKey:
        """The key of media under a policy."""
        return cls(sha256, policy.model_version, policy.version, face_engine, route)

    @property
    def etag(self) -> str:
        """A weak validator: verdicts with the same one say the same; their timings and ids may differ."""
        text = "|".join((self.sha256, self.model_version, self.policy_version, self.face_engine, self.route))
        return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


class ResultCache:
    """The verdicts that were asked for last.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._verdicts: OrderedDict[ResultKey, dict[str, Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._verdicts)

    def get(self, key: ResultKey) -> dict[str, Any] | None:
        """The verdict, or None."""
        if key in self._verdicts:
            self._verdicts.move_to_end(key)
        return self._verdicts.get(key)

    def put(self, key: ResultKey, verdict: dict[str, Any]) -> None:
        """Remembers a verdict, and forgets the one not asked for longest."""
        self._verdicts[key] = verdict
        while len(self._verdicts) > self._size:
            self._verdicts.popitem(last=False)

    def clear(self) -> None:
        """Forgets everything."""
        self._verdicts.clear()


@dataclass
class _Kept:
    fingerprint: str
    expires: float
    answer: Any = None
    done: bool = False


class Idempotency:
    """Gives a request that is sent again under its key the answer of the first time, within one process.

    Args:
        keep_s: Seconds that an answer is kept.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def once(
        self, subject: str, key: str | None, fingerprint: str, work: Callable[[], Awaitable[Any]]
    ) -> tuple[Any, bool]:
        """Does the work, unless it was done under this key. Failures are not remembered.

        Args:
            subject: Who asks; others' keys are others'.
            key: The key, or None for plain work.
            fingerprint: Of everything that makes the request what it is.
            work: The work.

        Returns:
            The answer, and whether it was remembered.

        Raises:
            KeyReused: The key came with another request.
            Conflict: The first request under this key is still under way.
        """
        if key is None:
            return await work(), False
        now = time.monotonic()
        while self._kept and next(iter(self._kept.values())).expires < now:
            self._kept.popitem(last=False)
        if (kept := self._kept.get((subject, key))) is not None:
            if kept.fingerprint != fingerprint:
                raise KeyReused("this Idempotency-Key was sent with another request; take a new key for each request")
            if not kept.done:
                raise Conflict("the request with this Idempotency-Key is still under way; wait for its answer")
            return kept.answer, True
        kept = self._kept[subject, key] = _Kept(fingerprint, now + self._keep_s)
        while len(self._kept) > _KEYS:
            self._kept.popitem(last=False)
        try:
            kept.answer = await work()
            kept.done = True
        except (Exception, asyncio.CancelledError):
            self._kept.pop((subject, key), None)
            raise
        return kept.answer, False
