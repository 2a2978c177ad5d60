"""One SQL database for what the gateway keeps: SQLite by default, PostgreSQL by URL.

Every transaction is whole or not at all, and every failure of the database itself (locked, gone, full) becomes
`Unavailable`. What lasts is decided here once: SQLite runs in WAL mode with a full sync of each commit.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from awarenet.errors import AwareNetError, ConfigurationError, Unavailable
from gateway.schema import METADATA, MIGRATIONS

Clock = Callable[[], float]

_MIGRATION_LOCK: Final = 0x61776172
"""Number of PostgreSQL's advisory lock under which one process at a time migrates."""

_CAUSES: Final = {
    "locked": "is locked by another process; try again, and look for a writer that hangs",
    "busy": "is locked by another process; try again, and look for a writer that hangs",
    "full": "has no space left on its disk; free some",
    "readonly": "cannot be written; check the rights of its file and folder",
    "unable to open": "cannot be opened; check that its folder is there and may be written",
    "disk i/o": "cannot read or write its disk; check the disk",
}
_POSTGRES_CAUSES: Final = {
    "53100": _CAUSES["full"],
    "53300": "has too many connections; raise max_connections or run fewer gateways",
    "40001": "could not serialise the request; try again",
    "40P01": "broke a deadlock; try again",
    "55P03": _CAUSES["locked"],
    "57014": "took too long; try again",
    "25006": "is read-only; connect to the primary",
}


class Database:
    """The connection pool, the transactions and the clock.

    The clock is the database's own, so that several gateways with differing clocks agree: PostgreSQL's
    `clock_timestamp()`, and on SQLite, which one machine has to itself, that machine's clock.

    Args:
        url: `sqlite:///folder/file.db` or `postgresql://user:password@host/name`.
        clock: Seconds since 1970, in place of the database's clock (tests).
        wait_s: Longest wait for a lock or a connection; a statement may take twice that.
        connections: Most connections that this process opens.

    Raises:
        ConfigurationError: The URL names no database of these two kinds.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, wait_s: float = 5.0, connections: int = 8) -> None:
        parsed = _parse(url)
        self._name = parsed.render_as_string(hide_password=True)
        self._clock = clock
        self._sqlite = parsed.get_backend_name() == "sqlite"
        common = {"pool_size": connections, "max_overflow": 0, "pool_timeout": wait_s}
        if self._sqlite:
            self._engine = sqlalchemy.create_engine(parsed, connect_args={"timeout": wait_s}, **common)
            self._file = Path(parsed.database or "")
            _prepare_sqlite(self._engine)
        else:
            milliseconds = int(wait_s * 1000)
            limits = f"-c lock_timeout={milliseconds} -c statement_timeout={2 * milliseconds}"
            connect = {"connect_timeout": max(2, int(wait_s)), "options": limits}
            self._engine = sqlalchemy.create_engine(parsed, connect_args=connect, pool_pre_ping=True, **common)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the database's clock."""
        if self._clock is not None:
            return self._clock()
        if self._sqlite:
            return time.time()
        return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads; on SQLite it does not wait for writers.

        Raises:
            Unavailable: The database is locked, gone or broken.
            ConfigurationError: The database lacks a table, or is no database.
        """
        with self._translated(), self._engine.connect().execution_options(reading=True) as connection:
            yield connection

    @contextmanager
    def writing(self, *, lasting: bool = True) -> Iterator[Connection]:
        """A transaction that is committed at the end, or undone by an exception.

        Args:
            lasting: Whether the commit must outlive a power cut. Without it the transaction is as whole as ever, but
                the last ones before a power cut may be gone; right for counters on a hot path.

        Raises:
            Unavailable: The database is locked, gone, full or broken; nothing was written.
            ConfigurationError: The database lacks a table, or is no database.
        """
        options = {"lasting": lasting}
        with self._translated(), self._engine.connect().execution_options(**options) as connection, connection.begin():
            if not self._sqlite and not lasting:
                connection.execute(text("SET LOCAL synchronous_commit = off"))
            yield connection

    def migrate(self, steps: Sequence[Sequence[str]] = MIGRATIONS) -> int:
        """Creates the tables, or brings an older database to this version; does nothing on a current one.

        Safe from several processes at once; each step is whole or not at all.

        Returns:
            The version that the database has now.

        Raises:
            ConfigurationError: The database was made by a newer release.
            Unavailable: As `writing`.
        """
        if self._sqlite:
            _create_private(self._file)
        with self.writing() as connection:
            if not self._sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
            connection.execute(text("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"))
            version: int = connection.execute(text("SELECT coalesce(max(version), 0) FROM schema_version")).scalar_one()
            if version > len(steps):
                raise ConfigurationError(
                    f"{self._name} is of version {version}, this release knows {len(steps)}; run the newer release"
                )
            for number in range(version, len(steps)):
                for statement in steps[number]:
                    connection.execute(text(statement))
                connection.execute(text("DELETE FROM schema_version"))
                connection.execute(text("INSERT INTO schema_version VALUES (:version)"), {"version": number + 1})
        return len(steps)

    def scrub(self) -> None:
        """Makes deleted rows unreadable in the database's files, as far as the database allows.

        SQLite overwrites what it deletes (`secure_delete`) and here empties its write-ahead log. PostgreSQL vacuums;
        it reuses the space, but does not overwrite it, nor its own write-ahead log and its backups.
        """
        with self._translated():
            if self._sqlite:
                # Outside any transaction, which a Connection would begin.
                raw = self._engine.raw_connection()
                try:
                    raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
                except sqlite3.OperationalError as error:
                    raise Unavailable(
                        f"{self._name}: deleted rows are not scrubbed yet ({error}); try again"
                    ) from error
                finally:
                    raw.close()
                return
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM " + ", ".join(METADATA.tables))

    def close(self) -> None:
        """Closes the connections of the pool."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (AwareNetError, IntegrityError):
            raise
        except PoolTimeout as error:
            raise Unavailable(f"{self._name}: every connection is in use; try again") from error
        except (OperationalError, InterfaceError) as error:
            if "no such table" in str(error.orig) or "no such column" in str(error.orig):
                raise ConfigurationError(f"{self._name}: {error.orig}; migrate the database") from error
            raise Unavailable(f"{self._name} {_cause(error)}") from error
        except ProgrammingError as error:
            raise ConfigurationError(
                f"{self._name} lacks what this release needs ({error.orig}); migrate it"
            ) from error
        except DatabaseError as error:
            if isinstance(error.orig, sqlite3.DatabaseError):
                raise ConfigurationError(
                    f"{self._name} is no SQLite database or is damaged ({error.orig}); restore it from a backup"
                ) from error
            raise Unavailable(f"{self._name} {_cause(error)}") from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("the database URL is malformed; give sqlite:///file.db or postgresql://...") from error
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or not parsed.database or parsed.database == ":memory:":
        shown = parsed.render_as_string(hide_password=True)
        raise ConfigurationError(f"{shown}: no such database here; give sqlite:///file.db or postgresql://...")
    return parsed.set(drivername="sqlite+pysqlite")


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("reading"):
            connection.exec_driver_sql("BEGIN")
            return
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if options.get('lasting', True) else 'NORMAL'}")
        # Locked from the start: a reader that becomes a writer half-way fails without waiting.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _create_private(file: Path) -> None:
    """Creates the file readable by nobody else; SQLite gives its side files the same rights."""
    with suppress(FileExistsError):
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise
        except OSError as error:
            raise Unavailable(f"{file} cannot be created ({error.strerror}); check its folder") from error


def _cause(error: DBAPIError) -> str:
    state = getattr(error.orig, "sqlstate", None)
    if state in _POSTGRES_CAUSES:
        return _POSTGRES_CAUSES[state]
    message = str(error.orig).lower()
    for word, cause in _CAUSES.items():
        if word in message:
            return cause
    return f"is gone ({str(error.orig).strip().splitlines()[0]}); try again, and check that it runs"
