"""The outermost layer: what holds for every request, whatever its route.

An id, limits on the body's size and time, security headers, a count of what is under way, one log line, metrics.
"""

from __future__ import annotations

import asyncio
import contextlib
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

_LINGER_S: Final = 2.0
"""Longest time that a connection stays after an answer that came before the end of the body. Closed with bytes unread,
it would be reset, and the reset can overtake the answer: the caller would not learn why it was refused."""

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
_UNSTORED: Final = {**_SECURITY, "Cache-Control": "no-store"}

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
        answer = _Answer(scope, send, body, request_id, self._lifecycle)
        counted = scope["path"].startswith("/v1/") and not scope["path"].endswith("/events")
        try:
            if counted:
                self._lifecycle.enter()
            try:
                body.check_length()
                await self._app(scope, body.receive, answer.send)
            finally:
                if counted:
                    await self._lifecycle.leave()
        except AwareNetError as error:
            if not answer.status:
                await respond(error, request_id)(scope, receive, answer.send)
        except Exception as error:
            _log.error("unforeseen", exc_info=error)
            if not answer.status:
                # What went wrong is for the log; a stranger learns nothing about the inside.
                unforeseen = AwareNetError("an error of the service, not of the request; report its id")
                await respond(unforeseen, request_id)(scope, receive, answer.send)
        finally:
            seconds = time.perf_counter() - begun
            # Refused before it was routed: still a request to the service, and part of its availability.
            route = getattr(scope.get("route"), "path", "/v1/*" if scope["path"].startswith("/v1/") else "other")
            self._metrics.answered(scope["method"], route, answer.status or Cancelled.status, seconds)
            ms = round(seconds * 1000, 1)
            _log.info("answered", method=scope["method"], path=scope["path"], status=answer.status, ms=ms)
        await answer.end()


class _Answer:
    """The response of one request, on its way out.

    Attributes:
        status: Its status; 0 until it begins.
    """

    def __init__(self, scope: Scope, send: Send, body: _Body, request_id: str, lifecycle: Lifecycle) -> None:
        self.status = 0
        self._headers = _UNSTORED if scope["path"].startswith("/v1/") else _SECURITY
        self._send = send
        self._body = body
        self._request_id = request_id
        self._lifecycle = lifecycle
        self._early = False

    async def send(self, message: Message) -> None:
        """Sends the next part of it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            added = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                added.setdefault(name, value)
            added["X-Request-Id"] = self._request_id
            # The rest of the body is not wanted; or the caller's next request belongs to another instance.
            if not self._body.complete or self._lifecycle.leaving:
                added["Connection"] = "close"
        elif not message.get("more_body") and not self._body.complete:
            self._early, message = True, {**message, "more_body": True}
        await self._send(message)

    async def end(self) -> None:
        """Ends one that came before the end of the body, once its caller has had the time to read it."""
        if self._early:
            await self._body.drop(_LINGER_S)
            await self._send({"type": "http.response.body"})


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

    async def drop(self, timeout_s: float) -> None:
        """Reads what is left and forgets it, until the caller is done or has left, or the time is over."""
        deadline = time.monotonic() + timeout_s
        with contextlib.suppress(asyncio.TimeoutError):
            while not self.complete and (left := deadline - time.monotonic()) > 0:
                message = await within(left, self._receive())
                self.complete = not message.get("more_body")
