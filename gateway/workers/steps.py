"""What a worker did and when, for the trace of the request; nothing where nobody asks."""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

_SAMPLED: Final = 1

MOST_STEPS: Final = 64
"""Steps that one answer holds; a clip has more, and they say nothing new."""


@dataclass
class Step:
    """One step.

    Attributes:
        name: What was done.
        span_id: 16 hexadecimal digits.
        begun_ns: Nanoseconds since 1970.
        ended_ns: The same.
        calls: Whether another server did it.
        faces: How many faces it was about.
        failed: Whether it ended in an error.
    """

    name: str
    span_id: str
    begun_ns: int = 0
    ended_ns: int = 0
    calls: bool = False
    faces: int | None = None
    failed: bool = False


class Steps:
    """Notes the steps of one task at a time."""

    def __init__(self) -> None:
        self._trace, self._flags = "", ""
        self._done: list[Step] = []

    def begin(self, traceparent: str | None) -> None:
        """Forgets the last task.

        Args:
            traceparent: W3C context of the next one's span; None, or one that is not sampled, notes nothing.
        """
        self._done = []
        self._trace, self._flags = "", ""
        if traceparent is not None:
            _, trace, _, flags = traceparent.split("-")
            if int(flags, 16) & _SAMPLED:
                self._trace, self._flags = trace, flags

    @contextmanager
    def step(self, name: str, *, calls: bool = False, faces: int | None = None) -> Iterator[str | None]:
        """Notes what happens in the block.

        Args:
            name: What is done.
            calls: Whether another server does it.
            faces: How many faces it is about.

        Yields:
            The step as W3C context, for the server that is called; None where nothing is noted.
        """
        if not self._trace:
            yield None
            return
        step = Step(name, secrets.token_hex(8), time.time_ns(), calls=calls, faces=faces, failed=True)
        try:
            yield f"00-{self._trace}-{step.span_id}-{self._flags}"
            step.failed = False
        finally:
            step.ended_ns = time.time_ns()
            if len(self._done) < MOST_STEPS:
                self._done.append(step)

    def taken(self) -> dict[str, Any]:
        """The steps as a part of an answer."""
        return {"steps": [dataclasses.asdict(step) for step in self._done]} if self._done else {}
