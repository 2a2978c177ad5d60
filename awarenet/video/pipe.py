"""Reading a pipe with a time limit."""

from __future__ import annotations

import os
import select
import threading
import time
from typing import Final

from awarenet.errors import InvalidInput, Unavailable

_POLL_MS: Final = 100


class PipeReader:
    """A file descriptor as FFmpeg reads it: with a time limit, and able to be stopped."""

    def __init__(self, text: str, stop: threading.Event, limit_s: float) -> None:
        self._stop = stop
        self._limit_s = limit_s
        self._name = text
        self._mine = not text.startswith("fd:")
        # Opening a named pipe would wait for its writer; reading it does that as well, but with a limit.
        self._fd = os.open(text, os.O_RDONLY | os.O_NONBLOCK) if self._mine else int(text[3:])
        self._begun = False
        self._poll = select.poll()
        try:
            if os.isatty(self._fd):
                raise InvalidInput("source: standard input is a terminal; pipe a stream into it")
        except BaseException:
            self.close()
            raise
        self._poll.register(self._fd, select.POLLIN)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises:
            Unavailable: Nothing came within the limit.
            OSError: The descriptor cannot be read.
        """
        end = time.monotonic() + self._limit_s
        while not self._stop.is_set():
            events = self._poll.poll(_POLL_MS)
            if events:
                try:
                    block = os.read(self._fd, size)
                except BlockingIOError:
                    continue
                if block or self._begun or not self._mine:
                    self._begun = True
                    return block
                self._stop.wait(_POLL_MS / 1000)  # nobody has opened the named pipe for writing yet
            if time.monotonic() > end:
                raise Unavailable(
                    f"{self._name}: nothing came through the pipe for {self._limit_s:g} s; check its writer"
                )
        return b""

    def close(self) -> None:
        """Closes what was opened here."""
        if self._mine and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
