"""Webhooks: a finished job is told to its owner's address, signed so that the receiver can trust it.

The format is that of Standard Webhooks, for which libraries exist in many languages. A delivery is a POST of JSON with

    webhook-id:         id of the delivery, the same at every attempt: a receiver drops what it has seen
    webhook-timestamp:  seconds since 1970 of this attempt
    webhook-signature:  v1,<base64 of HMAC-SHA-256 over "id.timestamp.body">

under a secret `whsec_<base64>`. A receiver in Python can use `verify` of this module.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from awarenet.errors import AwareNetError, ConfigurationError, InvalidInput, Unauthorised
from gateway.outbound import OutboundRules, Resolver, check_url, client, resolve
from gateway.timing import within

SECRET_PREFIX: Final = "whsec_"
REPLAY_WINDOW_S: Final = 300.0
"""Seconds by which the timestamp of a delivery may differ from the receiver's clock."""

_AGAIN: Final = {408, 425, 429}
"""Refusals that may pass."""


@dataclass(frozen=True)
class WebhookSettings:
    """How deliveries are made.

    Attributes:
        attempts: Most attempts of one delivery.
        backoff_s: Seconds before the second attempt; doubled for each further one.
        longest_backoff_s: Most seconds between two attempts, also where a receiver asks for more.
        timeout_s: Longest time of one attempt, name resolution included.
        largest_body: Most bytes of a payload.
        rules: What may be called.
    """

    attempts: int = 5
    backoff_s: float = 2.0
    longest_backoff_s: float = 300.0
    timeout_s: float = 10.0
    largest_body: int = 1 << 20
    rules: OutboundRules = field(default_factory=OutboundRules)


@dataclass(frozen=True)
class Delivery:
    """What became of a delivery, or of one attempt.

    Attributes:
        delivered: Whether the receiver took it (2xx).
        attempts: How many attempts were made.
        status: The last HTTP status; None without an answer.
        error: Why it was not delivered, in words.
        again: Whether another attempt may help.
        retry_after_s: When the receiver wants the next attempt; None where it did not say.
    """

    delivered: bool
    attempts: int = 1
    status: int | None = None
    error: str | None = None
    again: bool = False
    retry_after_s: float | None = None


class WebhookSender:
    """Delivers payloads. Names are resolved and checked at each attempt; no redirect is followed and no answer is read.

    Args:
        settings: How deliveries are made.
        tls: Trusted certificates; None for the system's.
        resolver: Host and port to addresses; None for the system's resolver.
        sleep: Waits between attempts.
    """

    def __init__(
        self,
        settings: WebhookSettings | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings or WebhookSettings()
        self._tls = tls
        self._resolver = resolver
        self._sleep = sleep

    def check(self, url: str) -> None:
        """Refuses a URL that can never be called, without resolving it.

        Raises:
            InvalidInput: It is malformed, or of a kind that is not called.
        """
        check_url(url, self._settings.rules)

    async def deliver(self, url: str, secret: str, delivery_id: str, payload: Mapping[str, Any]) -> Delivery:
        """Delivers a payload, with retries for as long as they may help.

        Args:
            url: The owner's address.
            secret: `whsec_...`.
            delivery_id: Id of the delivery; the same one tells the receiver that it is the same delivery.
            payload: Plain JSON values.

        Returns:
            What became of it; a delivery that failed is no exception.

        Raises:
            InvalidInput: The payload is too large.
            ConfigurationError: The secret is malformed.
        """
        for attempt in range(1, self._settings.attempts + 1):
            made = await self.attempt(url, secret, delivery_id, payload)
            if not made.again or attempt == self._settings.attempts:
                break
            await self._sleep(self._pause(attempt, made.retry_after_s))
        return Delivery(made.delivered, attempt, made.status, made.error, made.again, made.retry_after_s)

    async def attempt(self, url: str, secret: str, delivery_id: str, payload: Mapping[str, Any]) -> Delivery:
        """One attempt; for callers that keep the retries themselves, in the job queue say. See `deliver`."""
        body = json.dumps(payload, allow_nan=False, separators=(",", ":")).encode()
        if len(body) > self._settings.largest_body:
            raise InvalidInput(f"the payload has {len(body)} bytes, {self._settings.largest_body} are allowed")
        headers = sign(secret, delivery_id, body)
        try:
            status, retry_after = await within(self._settings.timeout_s, self._post(url, headers, body))
        except InvalidInput as error:
            return Delivery(False, error=str(error))
        except (asyncio.TimeoutError, httpx2.TimeoutException):
            return Delivery(False, error=f"no answer within {self._settings.timeout_s:g} s", again=True)
        except (AwareNetError, httpx2.HTTPError, OSError) as error:
            return Delivery(False, error=str(error) or type(error).__name__, again=True)
        if 200 <= status < 300:
            return Delivery(True, status=status)
        again = status >= 500 or status in _AGAIN
        return Delivery(False, status=status, error=f"HTTP {status}", again=again, retry_after_s=retry_after)

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, float | None]:
        target = await resolve(url, self._settings.rules, self._resolver)
        async with client(self._settings.timeout_s, self._tls) as sender:
            response = await sender.send(target.request("POST", headers, body), stream=True)
            # The body is left unread: nothing in it matters, and it may have no end.
            await response.aclose()
        return response.status_code, _seconds(response.headers.get("retry-after"))

    def _pause(self, attempt: int, asked_s: float | None) -> float:
        """Seconds until the next attempt: doubled each time, the upper half of it by chance against herds."""
        longest = min(self._settings.backoff_s * 2.0 ** (attempt - 1), self._settings.longest_backoff_s)
        return min(max(longest * random.uniform(0.5, 1.0), asked_s or 0.0), self._settings.longest_backoff_s)


def secret_of(master: bytes, subject: str) -> str:
    """A subject's webhook secret, derived from one secret of the service, so that none needs to be kept.

    Args:
        master: At least 32 secret bytes. With another one every receiver must fetch its secret again.
        subject: Whose webhooks are signed.

    Raises:
        ConfigurationError: The master secret is too short.
    """
    if len(master) < 32:
        raise ConfigurationError(f"the master secret of webhooks has {len(master)} bytes; give at least 32 random ones")
    derived = hmac.new(master, b"webhook:" + subject.encode(), hashlib.sha256).digest()
    return SECRET_PREFIX + base64.b64encode(derived).decode()


def sign(secret: str, delivery_id: str, body: bytes, timestamp: int | None = None) -> dict[str, str]:
    """The headers of a delivery.

    Args:
        secret: `whsec_<base64>`.
        delivery_id: Id of the delivery; it holds no dot.
        body: What is sent, to the byte.
        timestamp: Seconds since 1970; None for now.

    Raises:
        ConfigurationError: The secret is malformed.
    """
    at = str(int(time.time()) if timestamp is None else timestamp)
    signature = _signature(_key(secret), delivery_id, at, body)
    named = {"webhook-id": delivery_id, "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}
    return {"Content-Type": "application/json", "User-Agent": "AWARE-NET", **named}


def verify(
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    window_s: float = REPLAY_WINDOW_S,
    now: float | None = None,
) -> str:
    """Checks a delivery; for receivers.

    Args:
        secrets: The secret; two of them while one takes over from the other.
        headers: The headers as they came, in any case.
        body: The body as it came, to the byte.
        window_s: Seconds by which the timestamp may differ from now.
        now: Seconds since 1970; None for the clock.

    Returns:
        Id of the delivery. Whoever has seen it within the window must drop this one: it is a retry or a replay.

    Raises:
        Unauthorised: A header is missing, the timestamp is outside the window, or no signature is right.
        ConfigurationError: A secret is malformed.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        delivery_id, at, signatures = (lowered[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise Unauthorised(f"the header {error.args[0]} is missing: this is no webhook of AWARE-NET") from error
    if not (at.isascii() and at.isdigit() and len(at) < 16):
        raise Unauthorised("the header webhook-timestamp is no number of seconds")
    if abs((time.time() if now is None else now) - int(at)) > window_s:
        raise Unauthorised(f"the webhook is more than {window_s:g} s old, or of the future: a replay, or a wrong clock")
    expected = [f"v1,{_signature(_key(secret), delivery_id, at, body)}".encode() for secret in secrets]
    sent = [signature.encode() for signature in signatures.split()]
    if not any(hmac.compare_digest(one, other) for one in expected for other in sent):
        raise Unauthorised("the webhook's signature is wrong: it was altered, or signed with another secret")
    return delivery_id


def _signature(key: bytes, delivery_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) < 24:
        raise ConfigurationError(f"a webhook secret is {SECRET_PREFIX} and the base64 of 24 random bytes or more")
    return key


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 10 else None
