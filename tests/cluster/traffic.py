"""Traffic that never pauses, and what became of it: every answer is kept, moments are marked, windows are judged."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2 as httpx

_TRUST = ssl.create_default_context()
"""Made once: reading the authorities for each request would take longer than the request."""


@dataclass(frozen=True)
class Answer:
    """What became of one request.

    Attributes:
        at: Monotone instant at which it was sent.
        seconds: How long it took.
        status: HTTP status; 0 where there was no answer.
        verdict: Word, probability and model version; None without a verdict.
        why: The error where there was no answer.
    """

    at: float
    seconds: float
    status: int
    verdict: tuple[str, float, str] | None
    why: str = ""


@dataclass(frozen=True)
class Window:
    """The answers to what was sent between two moments."""

    name: str
    answers: tuple[Answer, ...]
    seconds: float

    def judge(self, expected: dict[str, tuple[str, float]], *, rate: float) -> None:
        """First whether the sample says anything, then that nothing was lost and no verdict changed.

        Args:
            expected: Word and probability by model version.
            rate: Requests per second that were aimed at.

        Raises:
            AssertionError: It says nothing, or a request failed, or a verdict differs.
        """
        assert len(self.answers) >= 20, f"{self.name}: {len(self.answers)} answers prove nothing"
        achieved = len(self.answers) / self.seconds
        assert achieved >= 0.5 * rate, f"{self.name}: {achieved:.1f} requests/s were sent, {rate:g} were meant"
        failed = [answer for answer in self.answers if answer.status != 200]
        assert not failed, f"{self.name}: {len(failed)} of {len(self.answers)} failed, the first: {failed[0]}"
        for answer in self.answers:
            assert answer.verdict is not None
            word, probability, version = answer.verdict
            assert version in expected, f"{self.name}: models {version} answered, which nobody released"
            assert (word, round(probability, 3)) == (expected[version][0], round(expected[version][1], 3)), (
                f"{self.name}: {answer.verdict} in place of {expected[version]}"
            )

    @property
    def versions(self) -> dict[str, int]:
        """How many answers came from which models."""
        found: dict[str, int] = {}
        for answer in self.answers:
            if answer.verdict is not None:
                found[answer.verdict[2]] = found.get(answer.verdict[2], 0) + 1
        return found


@dataclass
class Traffic:
    """A driver with a fixed rate that waits for nobody: a slow answer does not make it send less.

    Args:
        url: The gateway.
        key: An API key.
        picture: What is sent, over and over: the release must remember no verdicts.
        rate: Requests per second.
    """

    url: str
    key: str
    picture: bytes
    rate: float = 5.0
    answers: list[Answer] = field(default_factory=list)
    marks: dict[str, float] = field(default_factory=dict)

    def mark(self, name: str) -> None:
        """Remembers this moment."""
        self.marks[name] = time.monotonic()

    def between(self, begin: str, end: str) -> Window:
        """What was sent between two marks."""
        first, last = self.marks[begin], self.marks[end]
        chosen = tuple(answer for answer in list(self.answers) if first <= answer.at < last)
        return Window(f"{begin} to {end}", chosen, last - first)

    def wait(self, seconds: float) -> None:
        """Lets it run."""
        time.sleep(seconds)

    def until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Lets it run until something has happened.

        Raises:
            AssertionError: It has not happened in time.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen in {timeout_s:g} s"
            time.sleep(1)

    @contextmanager
    def running(self) -> Iterator[Traffic]:
        """Sends for the time of the block; every request that was sent is waited for."""
        ending = threading.Event()
        senders: list[threading.Thread] = []

        def drive() -> None:
            due = time.monotonic()
            while not ending.is_set():
                sender = threading.Thread(target=self._send, daemon=True)
                sender.start()
                senders.append(sender)
                due += 1 / self.rate
                ending.wait(max(0.0, due - time.monotonic()))

        driver = threading.Thread(target=drive, daemon=True)
        driver.start()
        try:
            yield self
        finally:
            ending.set()
            driver.join()
            for sender in senders:
                sender.join(60)

    def _send(self) -> None:
        at = time.monotonic()
        status, verdict, why = 0, None, ""
        try:
            # A connection of its own, so that each request is balanced anew.
            with httpx.Client(timeout=30, verify=_TRUST) as client:
                answer = client.post(f"{self.url}/v1/detect", content=self.picture, headers={"X-API-Key": self.key})
            status = answer.status_code
            if status == 200:
                told = answer.json()
                verdict = told["verdict"], float(told["probability"] or 0), told["model_version"]
            else:
                why = answer.text[:200]
        except httpx.HTTPError as error:
            why = f"{type(error).__name__} {error}"
        self.answers.append(Answer(at, time.monotonic() - at, status, verdict, why))
