"""Events as a device tells them: a line of JSON each, written here and queued for whoever is to be told."""

from __future__ import annotations

import json
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import structlog

from awarenet.delivery import deliver
from awarenet.edge.outbox import Outbox
from awarenet.edge.sender import Sender
from awarenet.errors import ReportError

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_log = structlog.get_logger("edge")


def boot_id() -> str:
    """A name of the time since the machine was switched on: monotonic times compare within it alone."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


class Journal:
    """Tells events: `{"type", "id", "timestamp", "device", "boot", "uptime_s", "data"}`, the form of our webhooks.

    `timestamp` is what the device's clock says, and may be wrong; `uptime_s` within one `boot` always moves forward.
    `id` is the same however often an event arrives.

    Args:
        device: Name of the device.
        out: File that gets a line an event; None for stdout.
        outbox: What is to be sent; None sends nothing.
        sender: Is told of news.
    """

    def __init__(
        self, device: str, out: Path | None, outbox: Outbox | None = None, sender: Sender | None = None
    ) -> None:
        self._device = device
        self._out = out
        self._outbox = outbox
        self._sender = sender
        self._boot = boot_id()

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Tells an event.

        Raises:
            ReportError: It could be written or queued nowhere, or not everywhere.
            Exit: Nobody reads stdout any more.
        """
        event = {
            "type": kind,
            "id": str(uuid.uuid4()),
            "timestamp": datetime.fromtimestamp(time.time(), timezone.utc).isoformat(timespec="milliseconds"),
            "device": self._device,
            "boot": self._boot,
            "uptime_s": round(time.monotonic(), 3),
            "data": data,
        }
        line = json.dumps(event, ensure_ascii=False, allow_nan=False)
        try:
            if self._outbox is not None:
                self._outbox.put(line.encode())
        finally:
            if self._sender is not None:
                self._sender.wake()
            self._write(f"{line}\n")

    def _write(self, line: str) -> None:
        if self._out is None:
            deliver("edge run", line)
            return
        try:  # Opened for each line: whoever rotates the file renames it.
            with self._out.open("a", encoding="utf-8") as stream:
                stream.write(line)
        except OSError as error:
            raise ReportError(f"{self._out} cannot be written ({error.strerror}); free space") from error
