"""What a device remembers over a power cut: one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from awarenet.errors import ConfigurationError, ReportError

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, stamp TEXT NOT NULL, attempts INTEGER NOT NULL, done INTEGER NOT NULL
) WITHOUT ROWID;
"""

_log = structlog.get_logger("edge")


class Database:
    """One connection, shared by the threads of a process.

    A file that is damaged beyond use is put aside, with `.damaged` added to its name: a device that does not start is
    worse than one that has forgotten.

    Args:
        path: The file; made with its folder.

    Raises:
        ConfigurationError: Its folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = _open(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                _log.error("the memory was damaged and begins anew", path=str(path), reason=str(error))
                for suffix in ("-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
                path.replace(path.with_name(f"{path.name}.damaged"))
                self._connection = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"{path} cannot be used ({error}); name another folder with --state") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Keeps or drops everything that is done within, also where the power fails; blocks may lie in each other.

        Raises:
            ReportError: The file cannot be written (full or broken disk).
        """
        with self._lock:
            try:
                if self._depth == 0:
                    self._connection.execute("BEGIN IMMEDIATE")
                self._depth += 1
                try:
                    yield self._connection
                finally:
                    self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("COMMIT")
            except BaseException as error:
                if self._depth == 0 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise ReportError(
                        f"{self.path} cannot be written ({error}); free space, or name another folder with --state"
                    ) from error
                raise

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # What was committed is there after a power cut.
        if (verdict := connection.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(verdict)
        connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection
