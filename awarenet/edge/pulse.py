"""Whether the process on a device is well: what it writes down of itself, and what systemd is told."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import structlog

from awarenet.edge.journal import boot_id
from awarenet.errors import Unavailable, WrongAnswer

PULSE_FILE: Final = "pulse.json"

_EVERY_S: Final = 2.0
"""The file is written no more often."""

_STALE_S: Final = 120.0

_log = structlog.get_logger("edge")


@dataclass(frozen=True)
class Pulse:
    """What a process knows of its health. Times are of the monotonic clock, in seconds, and hold within one boot.

    Attributes:
        pid: The process.
        boot: The boot; see `boot_id`.
        source: What it looks at.
        model_version: The models.
        policy_version: The policy.
        beat_s: When its main loop last came by.
        input_s: When it last got a frame, or had looked through its folder; None before.
        tested_s: When the self-test last passed.
        waiting: Events that wait to be sent; None where nothing is sent.
        dropped: Events that were dropped, over all starts; None where nothing is sent.
    """

    pid: int
    boot: str
    source: str
    model_version: str
    policy_version: str
    beat_s: float
    input_s: float | None = None
    tested_s: float | None = None
    waiting: int | None = None
    dropped: int | None = None

    @classmethod
    def read(cls, folder: Path) -> Pulse:
        """What the process that uses a folder last wrote.

        Raises:
            Unavailable: It wrote nothing that can be read.
        """
        path = folder / PULSE_FILE
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise Unavailable(f"{path} cannot be read ({error}); start `awarenet edge run`") from error

    def check(self, *, beat_s: float, input_s: float, tested_s: float, now_s: float, boot: str) -> None:
        """Holds the ages against limits, all in seconds.

        Args:
            beat_s: Oldest beat of the main loop.
            input_s: Oldest frame or look at the folder.
            tested_s: Oldest self-test.
            now_s: The monotonic clock.
            boot: The boot now.

        Raises:
            Unavailable: The process is gone or hangs, or nothing comes from its source.
            WrongAnswer: The self-test is too long ago.
        """
        if self.boot != boot or not _alive(self.pid):
            raise Unavailable(f"no process looks at {self.source} any more; start `awarenet edge run`")
        if (age := now_s - self.beat_s) > beat_s:
            raise Unavailable(f"process {self.pid} has not stirred for {age:.0f} s; restart it")
        if self.input_s is None or now_s - self.input_s > input_s:
            since = "never came" if self.input_s is None else f"is {now_s - self.input_s:.0f} s old"
            raise Unavailable(
                f"{self.source}: the last frame or look {since}; check the camera, its cable or the folder"
            )
        if self.tested_s is None or now_s - self.tested_s > tested_s:
            raise WrongAnswer(
                f"process {self.pid} has not passed its self-test for more than {tested_s:.0f} s; restart it"
            )


class Heart:
    """Writes the pulse and feeds systemd's watchdog; safe between threads.

    Args:
        folder: Where the pulse is written; a folder in memory spares the card.
        pulse: The pulse at the start.
    """

    def __init__(self, folder: Path, pulse: Pulse, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / PULSE_FILE
        self._pulse = pulse
        self._clock = clock
        self._lock = threading.Lock()
        self._written_s = float("-inf")

    @property
    def pulse(self) -> Pulse:
        """The pulse now."""
        return self._pulse

    def beat(self, *, got_input: bool = False, tested: bool = False, **facts: Any) -> None:
        """Notes that the main loop came by.

        Args:
            got_input: A frame came, or the folder was looked through.
            tested: The self-test passed.
            facts: Other fields of the pulse.
        """
        with self._lock:
            now = self._clock()
            if got_input:
                facts["input_s"] = now
            if tested:
                facts["tested_s"] = now
            first_input = got_input and self._pulse.input_s is None
            self._pulse = replace(self._pulse, beat_s=now, **facts)
            if now - self._written_s < _EVERY_S and not (tested or first_input):
                return
            self._written_s = now
            self._write()
        notify("WATCHDOG=1")

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(asdict(self._pulse)), encoding="utf-8")
            fresh.replace(self._path)
        except OSError as error:  # Health is then bad by age, as it should be.
            _log.error("the pulse cannot be written", path=str(self._path), reason=error.strerror)


def notify(text: str) -> None:
    """Tells systemd, where it started this process as a service that tells (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(text.encode(), f"\0{address[1:]}" if address.startswith("@") else address)
        except OSError as error:
            _log.warning("systemd cannot be told", reason=error.strerror)


def check_now(folder: Path, *, beat_s: float, input_s: float, tested_s: float) -> Pulse:
    """The pulse of a folder, held against the clock of this machine; see `Pulse.check`."""
    pulse = Pulse.read(folder)
    pulse.check(beat_s=beat_s, input_s=input_s, tested_s=tested_s, now_s=time.monotonic(), boot=boot_id())
    return pulse


def is_running(folder: Path) -> bool:
    """Whether the process that wrote its pulse into a folder lives."""
    return _running(folder) is not None


def end_running(folder: Path) -> None:
    """Tells that process to end, where it lives."""
    if (pid := _running(folder)) is not None:
        os.kill(pid, signal.SIGTERM)


def _running(folder: Path) -> int | None:
    try:
        pulse = Pulse.read(folder)
    except Unavailable:
        return None
    # A number that was not heard of for long may be another process's by now.
    stale = pulse.boot != boot_id() or time.monotonic() - pulse.beat_s > _STALE_S
    return None if stale or not _alive(pulse.pid) else pulse.pid


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
