"""Keeps one Triton server answering: starts it, proves it right, repairs what dies, and ends it without losing work."""

from __future__ import annotations

import threading
import time
from collections import Counter

import structlog

from awarenet.errors import ServiceError, StartupError, Unavailable
from awarenet.runtime.control import Control, wait_for
from awarenet.runtime.golden import Golden, golden_faces
from awarenet.runtime.process import TritonProcess
from awarenet.stages import CASCADE

_WATCH_S = 0.25
"""Pause between two looks at the processes."""

_PROBE_S = 5.0
"""Pause between two questions with a known answer, and the time each may take."""

_SILENCE_S = 60.0
"""The server is started anew after this long without an answer to anybody. A busy server answers others, if not us."""

_REPAIR_S = 10.0
"""Time for loading one model again, before the whole server is started anew."""

_LONGEST_PAUSE_S = 30.0

_GIVEN_UP_S = 180.0
"""After this long without a right answer, or an answer to anybody, starting anew has not helped."""

_log = structlog.get_logger("supervisor")


class Supervisor:
    """Minds a server in a thread of its own.

    Triton itself reports a model whose process died as ready and never starts it again, so processes are watched, and
    a question with a known answer is asked through every stage now and then.

    Args:
        process: The server, not yet started.
        control: Connection to where it will listen.
        golden: The known answer.
        tolerance: The largest accepted difference of a logit.
        start_timeout_s: Seconds until the server must have loaded its models.
        drain_timeout_s: Seconds that requests under way get at the end.
    """

    def __init__(
        self,
        process: TritonProcess,
        control: Control,
        golden: Golden,
        tolerance: float,
        start_timeout_s: float,
        drain_timeout_s: float,
    ) -> None:
        self._thread = threading.Thread(target=self._live, name="triton-supervisor", daemon=True)
        self._process = process
        self._control = control
        self._golden = golden
        self._tolerance = tolerance
        self._start_timeout_s = start_timeout_s
        self._drain_timeout_s = drain_timeout_s
        self._started = threading.Event()
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._stubs: Counter[str] = Counter()
        self._answered = 0
        self._heard = 0.0
        self._next_probe = 0.0
        self._fault: str | None = "it is starting"

    @property
    def unready(self) -> str | None:
        """Why it should get no requests; None when the last question with a known answer was answered rightly."""
        return "it is draining" if self._ending.is_set() else self._fault

    @property
    def dead(self) -> str | None:
        """Why it does not come back by itself; None while it may."""
        silence = time.monotonic() - self._heard
        if not self._thread.is_alive():
            return "nobody minds the server any more"
        if self._fault is not None and silence > _GIVEN_UP_S:
            return f"no right answer for {silence:.0f} s: {self._fault}"
        return None

    def bring_up(self) -> None:
        """Starts the server and returns when it has passed the self-test.

        Raises:
            StartupError: It does not start, or answers wrongly.
        """
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def bring_down(self) -> None:
        """Refuses new work, lets requests under way finish, and ends the server; idempotent."""
        self._ending.set()
        self._thread.join()

    def _live(self) -> None:
        try:
            self._launch()
        except BaseException as error:
            self._failure = error
            self._process.stop(grace_s=0)
            return
        finally:
            self._started.set()
        while not self._ending.wait(_WATCH_S):
            try:
                self._watch()
            except ServiceError as error:
                self._fault = str(error)
                _log.error("server is started anew", reason=str(error))
                self._relaunch()
        self._drain()
        self._process.stop(grace_s=self._drain_timeout_s)

    def _launch(self) -> None:
        self._process.start()
        wait_for(lambda: not self._process.alive or self._control.live(), self._start_timeout_s)
        if not self._process.alive:
            raise StartupError(f"Triton ended while it started; its last words:\n{self._process.last_words}")
        if not self._control.live():
            raise StartupError(
                f"Triton was not ready within {self._start_timeout_s:g} s; allow more, or see its last words:\n"
                f"{self._process.last_words}"
            )
        try:
            self._golden.check(*self._control.ask(golden_faces(), self._start_timeout_s), self._tolerance)
        except Unavailable as error:
            raise StartupError(f"self-test: {error}") from error
        self._stubs = self._process.stubs()
        self._heard = time.monotonic()
        self._next_probe = self._heard + _PROBE_S
        self._fault = None

    def _relaunch(self) -> None:
        pause = _WATCH_S
        while not self._ending.is_set():
            self._process.stop(grace_s=0)
            try:
                return self._launch()
            except StartupError as error:
                self._fault = str(error)
                _log.error("server does not start; trying again", pause_s=pause, reason=str(error))
                self._ending.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _watch(self) -> None:
        """Looks once.

        Raises:
            ServiceError: The server must be started anew.
        """
        if not self._process.alive:
            raise ServiceError(f"Triton ended; its last words:\n{self._process.last_words}")
        for model in self._stubs - self._process.stubs():
            self._fault = f"a process of {model} died; it is loaded again"
            _log.error("a process of a model died; the model is loaded again", model=model)
            self._control.replace(model, _REPAIR_S)
            self._next_probe = 0.0  # Whether that helped is asked at once.
        if time.monotonic() >= self._next_probe:
            self._probe()
            self._next_probe = time.monotonic() + _PROBE_S

    def _probe(self) -> None:
        try:
            self._golden.check(*self._control.ask(golden_faces()[:1], _PROBE_S), self._tolerance)
            self._heard, self._fault = time.monotonic(), None
        except Unavailable as error:
            answered = self._control.answered(CASCADE.name)
            if answered != self._answered:
                self._answered, self._heard, self._fault = answered, time.monotonic(), None
                return  # Busy with others.
            silence = time.monotonic() - self._heard
            self._fault = str(error)
            _log.warning("no answer to a health question", silence_s=round(silence), reason=str(error))
            if silence > _SILENCE_S:
                raise

    def _drain(self) -> None:
        """Refuses new work and waits for what is under way.

        A signal to Triton would not do: it stops every scheduler at once, so a cascade between two stages would fail.
        """
        if not self._process.alive:
            return
        try:
            self._control.retire(CASCADE.name, self._drain_timeout_s)
        except ServiceError as error:
            _log.warning("ended with work under way", reason=str(error))
