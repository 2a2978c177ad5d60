"""Connections as uvicorn has them, mended: headers have a limit in time and size, a refused frame is told why.

A connection that has sent nothing may stay: it costs a few kilobytes.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEADER_BYTES: Final = 32 << 10
"""Largest request line and headers together."""


class Connection(HttpToolsProtocol):
    """A connection whose requests must bring their headers in time.

    Attributes:
        header_timeout_s: Seconds from the first byte of a request to the end of its headers.
    """

    header_timeout_s: ClassVar[float] = 10.0
    _header_timer: asyncio.TimerHandle | None = None
    _header_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Counts bytes until the headers are complete."""
        if self._header_timer is not None:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                return self._refuse()
        super().data_received(data)
        if self._header_timer is not None and len(data) > HEADER_BYTES:
            self._refuse()

    def on_message_begin(self) -> None:
        """Starts the clock."""
        self._stop_clock()
        self._header_bytes = 0
        self._header_timer = self.loop.call_later(self.header_timeout_s, self._refuse)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stops the clock."""
        self._stop_clock()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def _stop_clock(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _refuse(self) -> None:
        self._stop_clock()
        if self.transport is not None and not self.transport.is_closing():
            self.send_400_response("The headers of the request are too slow or too long.")


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket whose client hears the close code when its frame is refused.

    uvicorn closes the socket with the rest of the frame unread. The kernel then resets the connection, and the reset
    can overtake the close frame. Here the rest is read and dropped until the client leaves or `close_timeout` is over.
    """

    def handle_parser_exception(self) -> None:
        """Sends the close frame once, ends the sending half, and leaves the receiving half open."""
        close = self.conn.close_sent
        if self.close_sent or close is None:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.transport.write_eof()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
