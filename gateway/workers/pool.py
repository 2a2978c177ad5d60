"""A pool of worker processes: a bounded queue before them, each minded and replaced when it ends.

No library for process pools fits: they kill a process to cancel, pass pickles, or report no progress.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import structlog

import awarenet
from awarenet.errors import (
    AwareNetError,
    Cancelled,
    DeadlineExceeded,
    Overloaded,
    StartupError,
    Unavailable,
    WorkerDied,
)
from gateway.timing import within
from gateway.workers.protocol import Task, WorkerOptions, error_of
from gateway.workers.queue import TaskQueue
from gateway.workers.tracing import Tracing
from gateway.workers.turns import Turns

_START_S: Final = 60.0
_GRACE_S: Final = 0.5
"""What a worker gets beyond a task's budget to say itself that the time is over."""
_PAUSES_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0)
_LARGEST_ANSWER: Final = 64 << 20
_FIRST_GUESS_S: Final = 0.1

_log = structlog.get_logger("workers")

Progress = Callable[[float], None]


@dataclass(eq=False)
class _Waiting:
    """A task in the queue or in the hands of a worker."""

    task: Task
    media: int
    deadline: float
    progress: Progress | None
    begun: bool = field(default=False, init=False)
    answer: asyncio.Future[dict[str, Any]] = field(repr=False)


class WorkerPool:
    """Hands tasks to processes; belongs to one event loop.

    Args:
        options: How workers are set up.
        size: Number of processes.
        queue: Tasks that may wait; beyond it they are refused.
        patient: Whether a task whose caller has left is finished; if not, its worker is killed, which only pays for
            long tasks.
        died: Told the process id of a worker that ended unasked.
        tracing: Makes spans of tasks; None makes none.

    Attributes:
        face_engine: What the workers find faces with.
        deaths: Workers that ended unasked so far.
        answered: Tasks that were answered so far, be it by an error.
    """

    def __init__(
        self,
        options: WorkerOptions,
        size: int,
        queue: int,
        *,
        patient: bool = True,
        died: Callable[[int], None] | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.size = size
        self.queue = queue
        self.face_engine = ""
        self.deaths = 0
        self.answered = 0
        self._options = options
        self._patient = patient
        self._died = died or (lambda pid: None)
        self._tracing = tracing or Tracing(None)
        self._waiting: TaskQueue[_Waiting] = TaskQueue()
        self._arrived = asyncio.Event()
        self._running = 0
        self._alive: set[int] = set()
        self._service_s = _FIRST_GUESS_S
        self._turns = Turns()
        self._minders: list[asyncio.Task[None]] = []
        self._ready = asyncio.Event()
        self._failure: AwareNetError | None = None

    async def start(self) -> None:
        """Starts the processes and returns when one of them is ready.

        Raises:
            StartupError: None starts.
        """
        self._minders = [asyncio.create_task(self._mind(number)) for number in range(self.size)]
        try:
            await within(_START_S, self._ready.wait())
        except asyncio.TimeoutError as error:
            await self.close()
            raise StartupError(f"no worker was ready within {_START_S:g} s; see the log for why") from error
        if self._failure is not None:
            await self.close()
            raise self._failure

    async def close(self) -> None:
        """Ends the processes; what waits is refused. Idempotent."""
        for minder in self._minders:
            minder.cancel()
        await asyncio.gather(*self._minders, return_exceptions=True)
        self._minders = []
        while waiting := self._waiting.take():
            _settle(waiting, Unavailable("the service ends; send the request again"))

    @property
    def waiting(self) -> int:
        """Tasks in the queue."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Tasks in the hands of workers."""
        return self._running

    @property
    def pids(self) -> frozenset[int]:
        """The workers that are ready."""
        return frozenset(self._alive)

    @property
    def wait_s(self) -> float:
        """Estimated seconds until a task that comes now would begin, from the time that the last ones took."""
        ahead = self.waiting + self.running - self.size + 1
        return max(0, ahead) * self._service_s / self.size

    def _turn_s(self, task: Task) -> float:
        """Seconds after which the caller of a task that is refused shall come again."""
        if task.kind == "frame":  # A stream goes on with its next frame and waits for no turn.
            return self.wait_s
        return self._turns.next(self.wait_s, self._service_s / self.size)

    async def run(
        self, task: Task, media: int, *, urgent: bool = False, admitted: bool = False, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Has a task done.

        Args:
            task: What to do; its budget counts from now.
            media: File descriptor of the media, at any position; stays the caller's.
            urgent: Goes before all that waits.
            admitted: Waits however long the queue is; for parts of a request that was let in already.
            progress: Told the share that is done, where a task has steps.

        Raises:
            Overloaded: The queue is full, or was full when another came and this task had waited for long.
            DeadlineExceeded: The budget is spent.
            WorkerDied: The process ended during the task.
            AwareNetError: What the worker says.
        """
        if not (urgent or admitted) and self.waiting + self.running >= self.queue + len(self._alive):
            displaced = self._waiting.displaced(self._service_s)
            if displaced is None:
                raise self._overloaded(task)
            _settle(displaced, self._overloaded(displaced.task))
        with self._tracing.of(task) as traced:
            answer = await self._enqueued(traced, media, urgent, admitted, progress)
            self._tracing.steps(answer)
            if "error" in answer:
                raise error_of(answer["error"])
            return answer

    async def _enqueued(
        self, task: Task, media: int, urgent: bool, admitted: bool, progress: Progress | None
    ) -> dict[str, Any]:
        """Waits for a worker, and for what it says."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(task, media, time.monotonic() + task.budget_s, progress, future)
        self._waiting.put(waiting, urgent=urgent, stays=admitted)
        self._arrived.set()
        try:
            await asyncio.wait({future}, timeout=task.budget_s + 2 * _GRACE_S)
            if not future.done():
                raise _late(task)
            return future.result()
        finally:
            future.cancel()  # Where the caller has left.
            self._waiting.remove(waiting)

    def _overloaded(self, task: Task) -> Overloaded:
        return Overloaded(
            f"{self.waiting} requests wait already; send it again after the time in Retry-After",
            retry_after_s=self._turn_s(task),
        )

    async def _mind(self, number: int) -> None:
        """Keeps one worker alive."""
        failures = -1
        while True:
            failures += 1
            await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
            try:
                async with _Process(self._options) as process:
                    self.face_engine = await process.ready()
                    failures = -1
                    self._failure = None
                    self._alive.add(process.pid)
                    self._ready.set()
                    try:
                        await self._feed(process)
                    finally:
                        self._alive.discard(process.pid)
            except AwareNetError as error:
                self._failure = error
                self._ready.set()
                _log.error("a worker does not start; trying again", worker=number, reason=str(error))
            except (OSError, WorkerDied) as error:
                _log.error("a worker cannot be used; starting another", worker=number, reason=str(error))

    async def _feed(self, process: _Process) -> None:
        """Gives a worker tasks until it ends."""
        ended = asyncio.ensure_future(process.ended())
        try:
            while waiting := await self._next(ended):
                self._running += 1
                begun = time.monotonic()
                try:
                    lasts = await self._serve(process, waiting)
                finally:
                    self._running -= 1
                self._service_s += 0.1 * (time.monotonic() - begun - self._service_s)
                if not lasts:
                    break
        finally:
            ended.cancel()
        self.deaths += 1
        self._died(process.pid)

    async def _next(self, ended: asyncio.Future[None]) -> _Waiting | None:
        """The next task that is still wanted; None when the worker has ended."""
        while not ended.done():
            while waiting := self._waiting.take():
                if waiting.answer.done():
                    continue
                if waiting.deadline <= time.monotonic():
                    _settle(waiting, _late(waiting.task))
                    continue
                return waiting
            self._arrived.clear()
            arrived = asyncio.ensure_future(self._arrived.wait())
            try:
                either: set[asyncio.Future[Any]] = {arrived, ended}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                arrived.cancel()
        self._arrived.set()  # It may have been this worker's turn.
        return None

    async def _serve(self, process: _Process, waiting: _Waiting) -> bool:
        """Has one task done; whether the worker can go on."""
        left = waiting.deadline - time.monotonic()
        try:
            process.send(replace(waiting.task, budget_s=left), waiting.media)
        except OSError:
            return self._again(waiting)
        try:
            answer = await self._answer(process, waiting)
        except DeadlineExceeded as error:
            _log.error("a worker was killed", pid=process.pid, reason="its task took too long", task=waiting.task.kind)
            _settle(waiting, error)
            return False
        except Cancelled:
            return False
        except (WorkerDied, ValueError):
            if not waiting.begun:
                return self._again(waiting)
            code = await process.code()
            _log.error("a worker ended during a task", pid=process.pid, code=code, task=waiting.task.kind)
            name = waiting.task.name
            _settle(
                waiting,
                WorkerDied(
                    f"{name}: the process that read it ended ({_how(code)}), so the file may be malformed; "
                    f"other requests are not affected, re-encode the file or try once more"
                ),
            )
            return False
        self.answered += 1
        if not waiting.answer.done():
            waiting.answer.set_result(answer)
        return not answer.get("ends")

    def _again(self, waiting: _Waiting) -> bool:
        """Gives a task that its worker did not live to begin to another."""
        self._waiting.put(waiting, urgent=True)
        self._arrived.set()
        return False

    async def _answer(self, process: _Process, waiting: _Waiting) -> dict[str, Any]:
        """Reads until the task is answered.

        Raises:
            Cancelled: The caller left, and the pool is not patient.
            DeadlineExceeded: The worker is too late.
        """
        while True:
            line = asyncio.ensure_future(process.line())
            wanted: set[asyncio.Future[dict[str, Any]]] = {line}
            if not self._patient:
                wanted.add(waiting.answer)
            try:
                left = waiting.deadline + _GRACE_S - time.monotonic()
                await asyncio.wait(wanted, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if not line.done():
                    raise Cancelled("the caller left") if waiting.answer.done() else _late(waiting.task)
            finally:
                line.cancel()
            said = line.result()
            if "begun" in said:
                waiting.begun = True
            elif "progress" not in said:
                return said
            elif waiting.progress is not None:
                waiting.progress(float(said["progress"]))


class _Process:
    """One worker process; an async context manager that leaves nothing behind."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options

    async def __aenter__(self) -> _Process:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        root = str(Path(awarenet.__file__).parents[1])
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway.workers.process"),
                *(self._options.encode(), str(theirs.fileno()), str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                limit=_LARGEST_ANSWER,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([root, f"{root}/clients", *sys.path[1:]])},
                start_new_session=True,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> str:
        """Waits until it takes tasks; the name of its face engine.

        Raises:
            AwareNetError: It says why it cannot.
            WorkerDied: It ended.
        """
        try:
            said = await within(_START_S, self.line())
        except asyncio.TimeoutError as error:
            raise WorkerDied(f"a worker was not ready within {_START_S:g} s; see the log") from error
        if "error" in said:
            raise error_of(said["error"])
        return str(said["ready"])

    def send(self, task: Task, media: int) -> None:
        """Hands a task over; OSError where the process has ended."""
        socket.send_fds(self._channel, [task.encode()], [media])

    async def line(self) -> dict[str, Any]:
        """The next thing it says.

        Raises:
            WorkerDied: It ended.
        """
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise WorkerDied("a worker process ended")
        said: dict[str, Any] = json.loads(line)
        return said

    async def ended(self) -> None:
        """Waits for its end."""
        await self._process.wait()

    async def code(self) -> int | None:
        """Its exit code, once it has ended; None where it lives."""
        try:
            return await within(1.0, self._process.wait())
        except asyncio.TimeoutError:
            return None


def _settle(waiting: _Waiting, error: AwareNetError) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)


def _late(task: Task) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"{task.name}: not answered within {task.budget_s:.3g} s; send a smaller file, or try again when it is quieter"
    )


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
