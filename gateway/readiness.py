"""Whether this instance really answers: a question with a known answer, on the whole path of a picture."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
import structlog

from awarenet.errors import AwareNetError, StartupError, Unavailable, WrongAnswer
from awarenet.repository import ModelRepository
from awarenet.runtime.golden import Golden, finish_computing, golden_faces, start_computing
from gateway.lifecycle import Lifecycle
from gateway.metrics import Metrics
from gateway.models import Models
from gateway.workers import Task, WorkerPool

CACHED_S: Final = 2.0
"""Seconds for which an answer is given again."""

_PATIENCE_S: Final = 5.0
"""Seconds after which a question without an answer says that something is wrong."""

_TIMEOUT_S: Final = 30.0
"""Seconds after which a worker that does not answer is ended: a slow machine must not make things worse by it."""

_COMPUTE_S: Final = 120.0

_log = structlog.get_logger("readiness")


class Readiness:
    """Asks the golden question; belongs to one event loop.

    Args:
        pool: The workers.
        models: The policy in force.
        lifecycle: Says whether the service is leaving.
        repository: The models, from which the known answer is computed here. Where it is not there or has other models
            than the server, the server's own first answer is what later ones are held against.
        tolerance: The largest accepted difference of a logit.
        metrics: Where answers are counted.
    """

    def __init__(
        self,
        pool: WorkerPool,
        models: Models,
        lifecycle: Lifecycle,
        repository: Path,
        tolerance: float,
        metrics: Metrics,
    ) -> None:
        self._pool = pool
        self._models = models
        self._lifecycle = lifecycle
        self._repository = repository
        self._tolerance = tolerance
        self._metrics = metrics
        self._golden: tuple[str, Golden] | None = None
        self._lock = asyncio.Lock()
        self._question: asyncio.Task[dict[str, Any]] | None = None
        self._asked = -CACHED_S
        self._failure: AwareNetError | None = None

    async def check(self) -> None:
        """Returns when the service answers rightly.

        Raises:
            AwareNetError: Why it does not.
        """
        self._lifecycle.check_staying()
        async with self._lock:
            if time.monotonic() - self._asked >= CACHED_S:
                try:
                    self._metrics.asked(await self._ask())
                    self._failure = None
                except WrongAnswer as error:
                    self._metrics.asked("wrong")
                    self._failure = error
                except AwareNetError as error:
                    self._metrics.asked("unanswered")
                    self._failure = error
                self._asked = time.monotonic()
        if self._failure is not None:
            raise Unavailable(str(self._failure))

    async def _ask(self) -> Literal["right", "busy"]:
        policy = self._models.policy
        if not self._pool.pids:
            raise Unavailable("no worker is ready")
        if self._question is None:
            self._question = asyncio.create_task(self._put(policy.version))
        answered = self._pool.answered
        await asyncio.wait({self._question}, timeout=_PATIENCE_S)
        if not self._question.done():
            if self._pool.answered == answered:
                raise Unavailable(f"the golden picture is not answered after {_PATIENCE_S:g} s, nor anything else")
            return "busy"  # With others.
        question, self._question = self._question, None
        await self._hold(question.result())
        return "right"

    async def _put(self, policy: str) -> dict[str, Any]:
        """Puts the question; the answer of the worker."""
        media = os.memfd_create("golden")
        try:
            _, picture = cv2.imencode(".png", cv2.cvtColor(golden_faces()[0], cv2.COLOR_RGB2BGR))
            os.write(media, picture.tobytes())
            task = Task("golden", "the golden picture", "full", _TIMEOUT_S, policy)
            return await self._pool.run(task, media, urgent=True)
        finally:
            os.close(media)

    async def _hold(self, answer: dict[str, Any]) -> None:
        """Holds an answer against the known one."""
        evidence = np.array(answer["evidence"], np.float32)
        probability = np.array(answer["probability"], np.float32)
        if self._golden is None or self._golden[0] != answer["model_version"]:
            computed = await asyncio.to_thread(self._compute, answer["model_version"])
            if computed is None:
                _log.warning("no known answer here; the server's first one is what later ones are held against")
                computed = Golden(evidence, probability)
            self._golden = answer["model_version"], computed
        self._golden[1].check(evidence, probability, self._tolerance)

    def _compute(self, model_version: str) -> Golden | None:
        """The known answer of the models in the repository; None where they are not the server's."""
        try:
            if ModelRepository.open(self._repository).policy.model_version != model_version:
                return None
            return finish_computing(start_computing(self._repository), _COMPUTE_S)
        except StartupError:
            raise
        except AwareNetError:
            return None
