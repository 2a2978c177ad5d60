"""Shared memory with a server on the same machine: faces are written once, where the server reads them.

One region a client, leased in pieces to concurrent requests. Its name is removed as soon as the server has mapped it,
so nothing stays behind in /dev/shm however this process ends.
"""

from __future__ import annotations

import mmap
import os
import threading
import uuid
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

DIRECTORY: Final = Path("/dev/shm")
REGION_BYTES: Final = 32 << 20
"""Size of a client's region: two requests of the largest batch, or some 170 single faces."""


class Region:
    """A shared memory region and the pieces of it that are in use.

    Attributes:
        name: The name under which the server knows it, and its file's name.
        size: Bytes.
    """

    def __init__(self, size: int = REGION_BYTES) -> None:
        """Makes the region.

        Raises:
            OSError: There is no /dev/shm, or not enough room in it.
        """
        self.name = f"awarenet-client-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self.size = size
        self._path = DIRECTORY / self.name
        self._lock = threading.Lock()
        self._leases: list[tuple[int, int]] = []  # (start, end), ascending
        handle = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            # Reserve the room now: writing into a full /dev/shm later would kill the process (SIGBUS).
            os.posix_fallocate(handle, 0, size)
            self._bytes = np.frombuffer(mmap.mmap(handle, size), np.uint8)
        except BaseException:
            self.unlink()
            raise
        finally:
            os.close(handle)

    @property
    def key(self) -> str:
        """The name by which the server opens it."""
        return f"/{self.name}"

    def unlink(self) -> None:
        """Removes the name; mappings on both sides live on."""
        self._path.unlink(missing_ok=True)

    def lease(self, array: NDArray[np.uint8]) -> int | None:
        """Writes an array into a free piece and returns its offset, or None where no piece is large enough."""
        with self._lock:
            start = 0
            for index, (taken, end) in enumerate([*self._leases, (self.size, self.size)]):
                if taken - start >= array.nbytes:
                    self._leases.insert(index, (start, start + array.nbytes))
                    break
                start = end
            else:
                return None
        self._bytes[start : start + array.nbytes].reshape(array.shape)[...] = array
        return start

    def release(self, offset: int) -> None:
        """Gives a piece back.

        A server that still works on a request given up by its client may then read another's faces;
        its answer reaches nobody.
        """
        with self._lock:
            self._leases = [piece for piece in self._leases if piece[0] != offset]
