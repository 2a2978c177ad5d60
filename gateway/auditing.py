"""Lines for the audit log, written together and off the hot path: one wait for the disk serves many requests."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from awarenet.errors import AwareNetError, Unavailable
from gateway.audit import AuditEvent, AuditLog
from gateway.identity import Principal, Pseudonyms
from gateway.timing import within

_WAITING: Final = 10_000
_TOGETHER: Final = 500
_GATHER_S: Final = 0.2
"""Seconds that an event waits for others to be written with it."""
_PAUSE_S: Final = 1.0

_log = structlog.get_logger("audit")


class Auditor:
    """Takes events and has them written; belongs to one event loop.

    While the log cannot be written, nothing that must be in it is done.

    Args:
        log: Where lines go.
        pseudonyms: What subjects are called there.
    """

    def __init__(self, log: AuditLog, pseudonyms: Pseudonyms) -> None:
        self._log = log
        self._pseudonyms = pseudonyms
        self._waiting: asyncio.Queue[tuple[Principal | None, dict[str, Any]]] = asyncio.Queue(_WAITING)
        self._writer: asyncio.Task[None] | None = None
        self._failure: AwareNetError | None = None

    async def start(self) -> None:
        """Begins to write."""
        self._writer = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Writes what waits, and ends."""
        if self._writer is not None:
            try:
                await within(10, self._waiting.join())
            except asyncio.TimeoutError:
                _log.error("events are lost", events=self._waiting.qsize(), reason=str(self._failure))
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    def check(self) -> None:
        """Refuses work while nothing can be written.

        Raises:
            Unavailable: It cannot.
        """
        if self._failure is not None:
            raise Unavailable(f"nothing is done that cannot be audited: {self._failure}")

    def record(self, principal: Principal | None, action: str, outcome: str = "allowed", **details: Any) -> None:
        """Notes an event; the fields are those of `gateway.audit.AuditEvent`.

        Raises:
            Unavailable: Too many events wait.
        """
        try:
            self._waiting.put_nowait((principal, {"action": action, "outcome": outcome, **details}))
        except asyncio.QueueFull as error:
            raise Unavailable("the audit log is behind; try again later") from error

    async def _write(self) -> None:
        while True:
            together = [await self._waiting.get()]
            await asyncio.sleep(_GATHER_S)
            while len(together) < _TOGETHER and not self._waiting.empty():
                together.append(self._waiting.get_nowait())
            while True:
                try:
                    await asyncio.to_thread(self._append, together)
                    self._failure = None
                    break
                except AwareNetError as error:
                    _log.error("the audit log cannot be written; trying again", reason=str(error))
                    self._failure = error
                    await asyncio.sleep(_PAUSE_S)
            for _ in together:
                self._waiting.task_done()

    def _append(self, together: list[tuple[Principal | None, dict[str, Any]]]) -> None:
        subjects = {principal.subject for principal, _ in together if principal is not None}
        names = {subject: self._pseudonyms.of(subject) for subject in subjects}
        self._log.append(*(_event(principal, details, names) for principal, details in together))


def _event(principal: Principal | None, details: dict[str, Any], names: dict[str, str]) -> AuditEvent:
    if principal is None:
        return AuditEvent(**details)
    return AuditEvent(**details, who=names[principal.subject], key_id=principal.key_id)
