"""The outermost layer: what holds for every request, whatever its route.

An id, limits on the body's size and time, security headers, a count of what is under way, one log line, metrics.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Mapping
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from awarenet.errors import AwareNetError, Cancelled
from gateway.lifecycle import Lifecycle
from gateway.metrics import Metrics
from gateway.problems import BodyTooLarge, BodyTooSlow, respond
from gateway.timing import within

BODY_BYTES: Final = 64 << 10
"""Largest body where a path has no limit of its own."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_SECURITY: Final = {
    "Content-Security-Policy": _CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_log = structlog.get_logger("request")


class Edge:
    """ASGI middleware around the whole application.

    Args:
        app: What is inside.
        lifecycle: Counts requests below `/v1/`.
        metrics: Where requests are counted.
        body_bytes: Largest body by path.
        upload_timeout_s: Seconds for a body.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        lifecycle: Lifecycle,
        metrics: Metrics,
        body_bytes: Mapping[str, int],
        upload_timeout_s: float,
    ) -> None:
        self._app = app
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._body_bytes = body_bytes
        self._upload_timeout_s = upload_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request or connection."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        if scope["type"] == "websocket":
            return await self._app(scope, receive, send)
        await self._request(scope, headers, receive, send, request_id)

    async def _request(self, scope: Scope, headers: Headers, receive: Receive, send: Send, request_id: str) -> None:
        begun = time.perf_counter()
        body = _Body(receive, headers, self._body_bytes.get(scope["path"], BODY_BYTES), self._upload_timeout_s)
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                added = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    added.setdefault(name, value)
                added["X-Request-Id"] = request_id
                if scope["path"].startswith("/v1/"):
                    added.setdefault("Cache-Control", "no-store")
                if not body.complete:
                    added["Connection"] = "close"  # The rest of the body is not wanted.
            await send(message)

        counted = scope["path"].startswith("/v1/") and not scope["path"].endswith("/events")
        try:
            if counted:
                self._lifecycle.enter()
            try:
                body.check_length()
                await self._app(scope, body.receive, answer)
            finally:
                if counted:
                    await self._lifecycle.leave()
        except AwareNetError as error:
            if not status:
                await respond(error, request_id)(scope, receive, answer)
        except Exception as error:
            _log.error("unforeseen", exc_info=error)
            if not status:
                # What went wrong is for the log; a stranger learns nothing about the inside.
                unforeseen = AwareNetError("an error of the service, not of the request; report its id")
                await respond(unforeseen, request_id)(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - begun
            # Refused before it was routed: still a request to the service, and part of its availability.
            route = getattr(scope.get("route"), "path", "/v1/*" if scope["path"].startswith("/v1/") else "other")
            self._metrics.answered(scope["method"], route, status or Cancelled.status, seconds)
            _log.info(
                "answered", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1000, 1)
            )


class _Body:
    """The body of one request, held to its limits."""

    def __init__(self, receive: Receive, headers: Headers, limit: int, timeout_s: float) -> None:
        self._receive = receive
        self._limit = limit
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._received = 0
        self._announced = headers.get("content-length", "")
        self.complete = not self._announced and "transfer-encoding" not in headers

    def check_length(self) -> None:
        """Refuses a body that announces itself as too large, before a byte of it is read."""
        if self._announced.isdecimal() and int(self._announced) > self._limit:
            raise BodyTooLarge(f"the body has {int(self._announced):,} bytes, the limit here is {self._limit:,}")

    async def receive(self) -> Message:
        """The next message of the server."""
        if self.complete:
            return await self._receive()
        try:
            message = await within(max(0.001, self._deadline - time.monotonic()), self._receive())
        except asyncio.TimeoutError as error:
            raise BodyTooSlow(f"the body was not complete after {self._timeout_s:g} s; send it faster") from error
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise BodyTooLarge(f"the body has more than the {self._limit:,} bytes that are taken here")
        if not message.get("more_body"):
            self.complete = True
        return message
