"""What became of requests: answered, refused, failed, wrong; and how long it took."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from hdrh.histogram import HdrHistogram

_LONGEST_US: Final = 600_000_000
_DIGITS: Final = 3


class Latencies:
    """Durations in an HDR histogram: any number of them, to three digits."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_US, _DIGITS)

    def add(self, seconds: float) -> None:
        """Notes one."""
        self._histogram.record_value(min(_LONGEST_US, max(1, round(seconds * 1e6))))

    @property
    def count(self) -> int:
        """How many."""
        return int(self._histogram.get_total_count())

    def ms(self, percent: float) -> float | None:
        """A percentile in milliseconds; None where there is nothing."""
        return self._histogram.get_value_at_percentile(percent) / 1000 if self.count else None

    def summary(self) -> dict[str, float | None]:
        """The percentiles that are reported, in milliseconds."""
        names = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "p99.9": 99.9, "max": 100}
        return {name: self.ms(percent) for name, percent in names.items()}


class Tally:
    """Counts of one run.

    Attributes:
        answered: Answers with a verdict.
        refused: 503 with Retry-After: the service said no, as it should when it is full.
        errors: Everything else, by what it was.
        wrong: Verdicts that are not the known one, by what is wrong.
        accepted: Durations of answers.
        scored: Durations of those answers that a worker gave: bytes that were never sent before.
        refusals: Durations of refusals.
    """

    def __init__(self) -> None:
        self.answered = 0
        self.refused = 0
        self.errors: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.accepted = Latencies()
        self.scored = Latencies()
        self.refusals = Latencies()

    def answer(self, seconds: float, fault: str | None, *, repeated: bool) -> None:
        """Notes an answer.

        Args:
            seconds: How long it took.
            fault: What is wrong with the verdict; None where nothing is.
            repeated: Whether the gateway may have remembered it.
        """
        self.answered += 1
        self.accepted.add(seconds)
        if not repeated:
            self.scored.add(seconds)
        if fault is not None:
            self.wrong[fault] += 1

    def refuse(self, seconds: float, retry_after: str | None) -> float:
        """Notes a 503, and returns for how many seconds the client shall be quiet.

        A 503 that does not say when to come back is an error.
        """
        if retry_after is None or not retry_after.isdecimal():
            self.errors["503 without Retry-After"] += 1
            return 1.0
        self.refused += 1
        self.refusals.add(seconds)
        return float(retry_after)

    def fail(self, what: str) -> None:
        """Notes that a request failed."""
        self.errors[what[:200]] += 1

    @property
    def sound(self) -> bool:
        """Whether nothing went wrong."""
        return not self.errors and not self.wrong

    def summary(self) -> dict[str, Any]:
        """The counts as plain containers."""
        return {
            "answered": self.answered,
            "refused_503": self.refused,
            "errors": sum(self.errors.values()),
            "errors_by_kind": dict(self.errors.most_common(20)),
            "wrong_verdicts": sum(self.wrong.values()),
            "wrong_by_kind": dict(self.wrong.most_common(20)),
            "accepted_ms": self.accepted.summary(),
            "scored_ms": self.scored.summary(),
            "refusals_ms": self.refusals.summary(),
        }
