"""A question with a known answer, asked again and again while a device runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from awarenet.runtime import Runtime
from awarenet.runtime.golden import FACE_PX_OF_GOLDEN, Golden, finish_computing, golden_faces, start_computing

_PATIENCE_S: Final = 180.0


def known_answer(repository: Path) -> Golden:
    """The answer of a repository on this machine's processor, computed in a process of its own, whose memory is freed.

    Raises:
        StartupError: The models cannot be run here.
    """
    return finish_computing(start_computing(repository), _PATIENCE_S)


class SelfTest:
    """Compares what a runtime answers now with the known answer.

    Args:
        runtime: The runtime.
        expected: The known answer.
        tolerance: Largest difference of a logit; see `awarenet.runtime.golden.TOLERANCE`.
        every_s: Seconds between two tests.
        clock: Monotone time in seconds.
    """

    def __init__(
        self,
        runtime: Runtime,
        expected: Golden,
        tolerance: float,
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runtime = runtime
        self._expected = expected
        self._tolerance = tolerance
        self._every_s = every_s
        self._clock = clock
        self._next_s = float("-inf")
        self._faces = golden_faces()[:1]  # One face: a stream waits meanwhile.

    def pass_if_due(self) -> bool:
        """Asks where it is time; whether it did.

        Raises:
            WrongAnswer: The answer is another.
            ServiceError: There is none.
        """
        if self._clock() < self._next_s:
            return False
        decisions = self._runtime.score(
            self._faces, np.full(len(self._faces), FACE_PX_OF_GOLDEN, np.float32), route="full"
        )
        self._expected.check(decisions.evidence, decisions.probability, self._tolerance)
        self._next_s = self._clock() + self._every_s
        return True
