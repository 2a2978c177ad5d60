"""Events that wait to be sent: on disk, in order, within a size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from awarenet.edge.database import Database
from awarenet.errors import InvalidInput

DEFAULT_BYTES: Final = 64 << 20
"""Most bytes that may wait."""

_log = structlog.get_logger("edge")


@dataclass(frozen=True)
class OutboxCounts:
    """What became of the events, over all starts.

    Attributes:
        waiting: Events that were not sent yet.
        waiting_bytes: Their size.
        sent: Events that the receiver took.
        refused: Events that the receiver will never take.
        dropped: Events that gave way to newer ones.
    """

    waiting: int
    waiting_bytes: int
    sent: int
    refused: int
    dropped: int


class Outbox:
    """A queue that loses nothing but its oldest events, and those only when it is full.

    Args:
        database: Where the events lie.
        limit_bytes: Most bytes that may wait.

    Raises:
        InvalidInput: The limit is no size.
    """

    def __init__(self, database: Database, limit_bytes: int = DEFAULT_BYTES) -> None:
        if limit_bytes < 1:
            raise InvalidInput(f"outbox: the limit must be at least 1 byte, got {limit_bytes}")
        self._database = database
        self._limit = limit_bytes

    def put(self, body: bytes) -> None:
        """Adds an event; the oldest are dropped where it has no room, and an event larger than the outbox at once.

        Raises:
            ReportError: The disk does not take it.
        """
        with self._database.transaction() as sql:
            if len(body) > self._limit:
                dropped = 1
            else:
                sql.execute("INSERT INTO events (body) VALUES (?)", (body,))
                dropped = self._make_room(self._add("bytes", len(body)) - self._limit)
            if dropped:
                total = self._add("dropped", dropped)
                _log.warning("events dropped, the outbox is full", dropped=dropped, in_all=total)

    def first(self) -> tuple[int, bytes] | None:
        """The oldest event and its number; None where nothing waits.

        Raises:
            ReportError: The disk cannot be read.
        """
        with self._database.transaction() as sql:
            row: tuple[int, bytes] | None = sql.execute(
                "SELECT number, body FROM events ORDER BY number LIMIT 1"
            ).fetchone()
            return row

    def remove(self, number: int, *, sent: bool) -> None:
        """Takes out an event that was sent, or that the receiver will never take.

        Raises:
            ReportError: The disk cannot be written.
        """
        with self._database.transaction() as sql:
            row = sql.execute("DELETE FROM events WHERE number = ? RETURNING length(body)", (number,)).fetchone()
            if row is not None:  # Otherwise it was dropped meanwhile, and counted.
                self._add("bytes", -row[0])
                self._add("sent" if sent else "refused", 1)

    @property
    def counts(self) -> OutboxCounts:
        """What became of the events so far."""
        with self._database.transaction() as sql:
            totals: dict[str, int] = dict(sql.execute("SELECT name, value FROM totals").fetchall())
            waiting: int = sql.execute("SELECT count(*) FROM events").fetchone()[0]
        return OutboxCounts(waiting, *(totals.get(name, 0) for name in ("bytes", "sent", "refused", "dropped")))

    def _make_room(self, surplus: int) -> int:
        dropped = 0
        with self._database.transaction() as sql:
            while surplus > 0:
                number, size = sql.execute("SELECT number, length(body) FROM events ORDER BY number LIMIT 1").fetchone()
                sql.execute("DELETE FROM events WHERE number = ?", (number,))
                self._add("bytes", -size)
                surplus -= size
                dropped += 1
        return dropped

    def _add(self, name: str, change: int) -> int:
        with self._database.transaction() as sql:
            row: tuple[int] = sql.execute(
                "INSERT INTO totals VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = value + ?2 RETURNING value",
                (name, change),
            ).fetchone()
            return row[0]
