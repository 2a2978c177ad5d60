"""Sends what waits in the outbox, one event after the other, for as long as it takes."""

from __future__ import annotations

import os
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from awarenet.edge.outbox import Outbox
from awarenet.errors import InvalidInput, ReportError

TOKEN_VARIABLE: Final = "AWARENET_EDGE_TOKEN"
"""Environment variable with the bearer token for the receiver."""

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

_NEVER: Final = frozenset({400, 413, 415, 422})
"""Answers that concern this one event. Others, 404 too, may be a fault of the address or the receiver that ends."""

_log = structlog.get_logger("edge")


@dataclass(frozen=True)
class Patience:
    """How long to wait between attempts.

    Attributes:
        first_s: Longest wait after the first failure; it doubles with each further one.
        longest_s: Longest wait.
        timeout_s: Seconds without an answer after which an attempt has failed.
    """

    first_s: float = 1.0
    longest_s: float = 300.0
    timeout_s: float = 10.0

    def wait_s(self, failures: int, draw: Callable[[], float] = random.random) -> float:
        """Seconds to wait after so many failures in a row, at least one: half of it fixed, half drawn.

        Devices that lost their network together do not come back together.
        """
        whole = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return whole * (0.5 + 0.5 * draw())


class Sender:
    """Posts events to a receiver in a thread of its own; a context manager.

    An event leaves the outbox when the receiver has answered with 2xx, so it may arrive twice, always with the same
    `id`.

    Args:
        outbox: What is to be sent.
        url: The receiver, http or https.
        token: Bearer token for it.
        patience: How long to wait.

    Raises:
        InvalidInput: The address is none, or the token would travel unencrypted.
    """

    def __init__(self, outbox: Outbox, url: str, *, token: str | None = None, patience: Patience | None = None) -> None:
        self.shown = _checked(url, token)
        self._outbox = outbox
        self._url = url
        self._headers = {"Content-Type": "application/json", "User-Agent": "awarenet-edge"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._patience = patience or Patience()
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._stop = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="awarenet-sender", daemon=True)

    def wake(self) -> None:
        """Tells that there is something to send."""
        self._news.set()

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._news.set()
        self._thread.join(self._patience.timeout_s + 1)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                self._news.clear()
                event = self._outbox.first()
                if event is None:
                    self._news.wait()
                    continue
                number, body = event
                problem, asked_s = self._post(body)
                if problem is None or asked_s is None:
                    self._outbox.remove(number, sent=problem is None)
            except ReportError as error:
                problem, asked_s = str(error), 0.0
            if problem is None:
                if failures:
                    _log.info("the receiver is back", receiver=self.shown)
                failures = 0
                continue
            if asked_s is None:
                _log.error("the receiver refuses an event for good", receiver=self.shown, reason=problem)
                continue
            failures += 1
            wait_s = max(self._patience.wait_s(failures), min(asked_s, self._patience.longest_s))
            _log.warning("not sent", receiver=self.shown, reason=problem, again_in_s=round(wait_s, 1))
            self._stop.wait(wait_s)

    def _post(self, body: bytes) -> tuple[str | None, float | None]:
        """Tries once.

        Returns:
            What went wrong, None for nothing; and the seconds that the receiver asks to wait, None where another
            attempt is of no use.
        """
        request = urllib.request.Request(self._url, data=body, headers=self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._patience.timeout_s):
                return None, None
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _NEVER:
                    return f"it answers {error.code}", None
                return f"it answers {error.code}", _seconds(error.headers.get("Retry-After"))
        except (OSError, ValueError) as error:  # ValueError: an answer that is no HTTP.
            return str(getattr(error, "reason", error)) or type(error).__name__, 0.0
        except Exception as error:  # http.client's errors have no common base with these.
            return type(error).__name__, 0.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, and the event would be lost."""

    def redirect_request(self, *_: Any) -> None:
        return None


def token_from_environment() -> str | None:
    """The bearer token, from `$AWARENET_EDGE_TOKEN`."""
    return os.environ.get(TOKEN_VARIABLE) or None


def _checked(url: str, token: str | None) -> str:
    """The address for messages: without user, password and query."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"--send: not a valid address ({error}); give https://host/path") from error
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInput(f"--send: {parts.scheme or 'this'} is no address of a receiver; give https://host/path")
    if token and parts.scheme == "http" and host not in _LOOPBACK:
        raise InvalidInput(f"--send: ${TOKEN_VARIABLE} would travel unencrypted; give https://{host}...")
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def _seconds(text: str | None) -> float:
    """`Retry-After` in seconds; a date is not used, because the clock here may be wrong."""
    return float(text) if text and text.isdecimal() else 0.0
