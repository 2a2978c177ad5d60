"""Shared memory segments of a Triton server: named so that they can be found, and removed even after a crash."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import Final

from awarenet.errors import StartupError

_FOLDER: Final = Path("/dev/shm")
_PREFIX: Final = "awarenet-triton-"
_LOCK: Final = ".lock"


class SegmentPrefix:
    """A prefix for segment names that is ours as long as this object lives.

    The claim is a locked file beside the segments. The system drops the lock with the process, whichever way it ends,
    and the next start removes whatever lies unclaimed. Process ids would not do: containers may share `/dev/shm`.
    """

    def __init__(self) -> None:
        while True:
            self.value = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
            lock = _FOLDER / (self.value + _LOCK)
            try:
                self._descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StartupError(
                    f"{_FOLDER} cannot be written ({error.strerror}), and Triton needs it; mount a tmpfs there"
                ) from error
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if lock.exists():
                break
            os.close(self._descriptor)  # Another start swept it before it was locked.

    def clear(self) -> None:
        """Removes the segments; for after their server has ended."""
        _remove(self.value, keep_lock=True)

    def release(self) -> None:
        """Removes the segments and the claim."""
        _remove(self.value, keep_lock=False)
        os.close(self._descriptor)


def remove_leftovers() -> None:
    """Removes the segments of servers that were killed."""
    for lock in _FOLDER.glob(f"{_PREFIX}*{_LOCK}"):
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # Another user's, or gone by now.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(lock.name.removesuffix(_LOCK), keep_lock=False)
        except OSError:
            pass  # Its server lives.
        finally:
            os.close(descriptor)


def _remove(prefix: str, *, keep_lock: bool) -> None:
    for path in _FOLDER.glob(prefix + "*"):
        if not (keep_lock and path.name == prefix + _LOCK):
            path.unlink(missing_ok=True)
