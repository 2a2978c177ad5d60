"""Who is told of events: an HTTP server on loopback that notes what it gets, goes away, and comes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.listening import listening


class Receiver:
    """What arrived, and how to answer.

    Attributes:
        events: Every body, decoded, in the order of arrival.
        headers: The headers that came with each.
        answers: Statuses of the next answers; 204 when they are used up.
        port: Where it listens when it does.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.port = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its address, once it has listened."""
        return f"http://127.0.0.1:{self.port}/events"

    @contextmanager
    def there(self) -> Iterator[None]:
        """Listens until the end of the block, always on the same port."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver._lock:
                    receiver.headers.append(dict(self.headers.items()))
                    receiver.events.append(json.loads(body))
                    status, more = receiver.answers.pop(0) if receiver.answers else (204, {})
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = int(server.server_address[1])
        with listening(server):
            yield
