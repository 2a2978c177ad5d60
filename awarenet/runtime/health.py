"""What the minder of a server knows of its health, over HTTP for whoever runs it: `/livez` and `/readyz`.

Triton's own endpoints say that a server runs, not that it answers: they stay at 200 over a dead router.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from awarenet.errors import StartupError

_TIMEOUT_S: Final = 5.0
"""Time that a client gets to say what it wants."""

Fault = Callable[[], str | None]
"""Says what is wrong; None for nothing."""


class HealthEndpoint:
    """Answers 200 or, with the reason, 503; use it as a context manager.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        unready: Why no requests should come.
        dead: Why the process should be started anew.

    Raises:
        StartupError: The port is taken.
    """

    def __init__(self, host: str, port: int, *, unready: Fault, dead: Fault) -> None:
        faults: dict[str, Fault] = {"/readyz": unready, "/livez": dead}

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT_S

            def do_GET(self) -> None:
                read = faults.get(self.path)
                if read is None:
                    self._answer(404, "ask /livez or /readyz")
                    return
                fault = read()
                self._answer(200 if fault is None else 503, fault)

            def _answer(self, status: int, reason: str | None) -> None:
                body = json.dumps({"status": "ok" if reason is None else "failing", "reason": reason}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """A look every few seconds is no news."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise StartupError(
                f"cannot listen on {host} port {port} ({error.strerror}); choose another with --health-port"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> HealthEndpoint:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
