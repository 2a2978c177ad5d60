"""Webhooks against real servers on loopback: signed, retried, and never sent where they must not go."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from awarenet.errors import ConfigurationError, InvalidInput, Unauthorised, Unavailable
from gateway.outbound import OutboundRules, check_url, is_public, resolve
from gateway.webhooks import Delivery, WebhookSender, WebhookSettings, secret_of, sign, verify

SECRET = secret_of(b"m" * 32, "anna")
PUBLIC = OutboundRules()
LOOPBACK = OutboundRules(loopback_http=True)


@dataclass
class Receiver:
    """A server that notes what it gets and answers what it is told, the last answer again and again."""

    answers: list[bytes] = field(default_factory=lambda: [b"204 No Content"])
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    endless: bool = False
    port: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            headers = {name.lower(): value for name, value in headers.items()}
            self.headers.append({**headers, "line": head[0]})
            self.bodies.append(await reader.readexactly(int(headers["content-length"])))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            writer.write(b"HTTP/1.1 " + answer + b"\r\n")
            if self.endless:
                writer.write(b"Content-Type: text/plain\r\n\r\n")
                while True:
                    writer.write(b"x" * 65536)
                    await writer.drain()
            writer.write(b"Content-Length: 0\r\n\r\n")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*answers: bytes, tls: ssl.SSLContext | None = None, **changes: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**({"answers": list(answers)} if answers else {}), **changes)
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


def sender(pauses: list[float] | None = None, **settings: Any) -> WebhookSender:
    async def sleep(seconds: float) -> None:
        if pauses is not None:
            pauses.append(seconds)

    return WebhookSender(WebhookSettings(**{"rules": LOOPBACK, "backoff_s": 4.0, **settings}), sleep=sleep)


async def test_a_delivery_arrives_signed_so_that_the_receiver_can_check_it() -> None:
    async with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/hook?a=1"
        assert await sender().deliver(url, SECRET, "d1", {"job": "j", "snow": "\u2603"}) == Delivery(True, 1, 204)
    (headers,), (body,) = receiver.headers, receiver.bodies
    assert headers["line"] == "POST /hook?a=1 HTTP/1.1" and headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"job": "j", "snow": "\u2603"}
    assert verify([SECRET], headers, body) == "d1"


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the standard."""
    headers = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        1614265330,
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{}"},
        {"webhook-id": "d2"},
        {"webhook-timestamp": "1001"},
        {"webhook-timestamp": "-1000"},
        {"webhook-timestamp": "1e3"},
        {"webhook-timestamp": "\u0661"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": ""},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": None},
        {"webhook-id": None},
        {"now": 1000.0 + 301},
        {"now": 1000.0 - 301},
        {"secrets": [secret_of(b"m" * 32, "bert")]},
        {"secrets": []},
    ],
)
def test_a_receiver_refuses_what_is_altered_replayed_or_signed_by_another(change: dict[str, Any]) -> None:
    body = b'{"verdict":"real"}'
    headers = sign(SECRET, "d1", body, 1000)
    assert verify([secret_of(b"m" * 32, "bert"), SECRET], headers, body, now=1000.0) == "d1"
    spoilt = {name: value for name, value in {**headers, **change}.items() if value is not None}
    with pytest.raises(Unauthorised):
        verify(change.get("secrets", [SECRET]), spoilt, change.get("body", body), now=change.get("now", 1000.0))


@given(st.binary(max_size=50), st.binary(max_size=50), st.integers(0, 2**40))
def test_a_signature_fits_one_body_alone(body: bytes, other: bytes, at: int) -> None:
    headers = sign(SECRET, "d1", body, at)
    assert verify([SECRET], headers, body, now=at) == "d1"
    if other != body:
        with pytest.raises(Unauthorised):
            verify([SECRET], headers, other, now=at)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_")])
def test_a_malformed_secret_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="whsec_"):
        sign(secret, "d1", b"")
    with pytest.raises(ConfigurationError, match="32"):
        secret_of(b"short", "anna")


async def test_a_server_in_trouble_is_tried_again_later_and_later_under_one_id() -> None:
    pauses: list[float] = []
    async with receiving(b"500 Oh", b"503 Busy\r\nRetry-After: 25", b"429 Slow", b"200 OK") as receiver:
        made = await sender(pauses).deliver(f"http://127.0.0.1:{receiver.port}/", SECRET, "d1", {"a": 1})
    assert made == Delivery(True, 4, 200)
    assert {headers["webhook-id"] for headers in receiver.headers} == {"d1"}
    assert 2 <= pauses[0] <= 4 and pauses[1] == 25 and 8 <= pauses[2] <= 16


async def test_retries_come_to_an_end() -> None:
    pauses: list[float] = []
    async with receiving(b"503 Busy\r\nRetry-After: 999999") as receiver:
        made = await sender(pauses).deliver(f"http://127.0.0.1:{receiver.port}/", SECRET, "d1", {})
    assert (made.delivered, made.attempts, made.status, made.again) == (False, 5, 503, True)
    assert pauses == [300.0] * 4


@pytest.mark.parametrize("answer", [b"400 Bad", b"401 No", b"404 Not Found", b"410 Gone", b"302 Found\r\nLocation: /b"])
async def test_a_refusal_or_a_redirect_is_final(answer: bytes) -> None:
    async with receiving(answer) as receiver:
        made = await sender().deliver(f"http://127.0.0.1:{receiver.port}/", SECRET, "d1", {})
    assert (made.delivered, made.attempts, made.again) == (False, 1, False)
    assert len(receiver.headers) == 1


async def test_nobody_there_is_tried_again() -> None:
    async with receiving() as receiver:
        pass
    made = await sender(attempts=2).deliver(f"http://127.0.0.1:{receiver.port}/", SECRET, "d1", {})
    assert (made.delivered, made.attempts, made.status) == (False, 2, None) and made.error


async def test_an_answer_without_end_is_not_read() -> None:
    async with receiving(b"200 OK", endless=True) as receiver:
        made = await sender(timeout_s=5).deliver(f"http://127.0.0.1:{receiver.port}/", SECRET, "d1", {})
    assert made == Delivery(True, 1, 200)


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\n"])
async def test_a_receiver_that_never_comes_to_an_end_is_left(drip: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(drip)
            while drip:
                writer.write(b"X: x\r\n")
                await asyncio.sleep(0.02)
            await reader.read()
            await asyncio.sleep(30)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    made = await sender(timeout_s=0.3, attempts=1).deliver(url, SECRET, "d1", {})
    server.close()
    assert not made.delivered and made.again and "within 0.3 s" in str(made.error)


async def test_a_payload_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidInput, match="allowed"):
        await sender(largest_body=10).deliver("https://example.org/", SECRET, "d1", {"a": "x" * 20})


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_",
        "//example.org/",
        "",
        "https://",
        "https:///path",
        "https://user:password@example.org/",
        "https://exa mple.org/",
        "https://example.org:99999/",
        "https://[::1",
        "https://" + "x" * 2001,
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.1.2.3/",
        "https://192.168.0.1/",
        "https://172.16.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
    ],
)
async def test_a_url_that_must_not_be_called_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(url, PUBLIC)
    made = await WebhookSender().deliver(url, SECRET, "d1", {})
    assert not made.delivered and made.attempts == 1


@pytest.mark.parametrize("url", ["https://localhost/", "https://2130706433/", "https://0x7f.1/", "https://127.1/"])
async def test_a_name_of_this_machine_is_refused_once_resolved(url: str) -> None:
    with pytest.raises(InvalidInput, match="not a public address") as refused:
        await resolve(url, PUBLIC)
    assert "127.0.0.1" not in str(refused.value)


def resolver_of(*answers: list[str]) -> tuple[Callable[[str, int], Awaitable[list[str]]], list[str]]:
    asked: list[str] = []

    async def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolver, asked


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["2606:2800::1", "::1"], ["fe80::1%2"]]
)
async def test_a_name_with_any_inner_address_is_refused(addresses: list[str]) -> None:
    resolver, _ = resolver_of(addresses)
    with pytest.raises(InvalidInput, match=r"hooks\.example\.org is not a public"):
        await resolve("https://hooks.example.org/", PUBLIC, resolver)


async def test_a_name_that_turns_inward_after_the_check_is_never_followed() -> None:
    """DNS rebinding: the second answer is inner, and nobody asks a second time."""
    resolver, asked = resolver_of(["93.184.216.34"], ["127.0.0.1"])
    target = await resolve("https://hooks.example.org:8443/a?b=c", PUBLIC, resolver)
    request = target.request("POST", {}, b"")
    assert str(request.url) == "https://93.184.216.34:8443/a?b=c"
    assert request.headers["host"] == "hooks.example.org:8443"
    assert request.extensions["sni_hostname"] == "hooks.example.org"
    assert asked == ["hooks.example.org"]


async def test_http_stays_on_this_machine_even_where_it_is_allowed() -> None:
    resolver, _ = resolver_of(["93.184.216.34"])
    with pytest.raises(InvalidInput, match="plain http"):
        await resolve("http://example.org/", LOOPBACK, resolver)


async def test_a_name_without_addresses_is_unavailable() -> None:
    resolver, _ = resolver_of([])
    with pytest.raises(Unavailable, match="no address"):
        await resolve("https://example.org/", PUBLIC, resolver)
    with pytest.raises(Unavailable, match="cannot be resolved"):
        await resolve("https://name.invalid/", PUBLIC)


@given(st.ip_addresses())
def test_no_inner_address_counts_as_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    inner = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    assert not (inner and is_public(address))
    if isinstance(address, ipaddress.IPv4Address):
        mapped = ipaddress.IPv6Address(f"::ffff:{address}")
        assert is_public(mapped) == is_public(address)


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS for a name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=made.public_bytes(Encoding.PEM).decode())


@pytest.mark.parametrize(
    ("certified", "trusted", "delivered"),
    [
        ("hooks.example.org", True, True),
        ("another.example.org", True, False),
        ("hooks.example.org", False, False),
    ],
)
async def test_tls_is_checked_against_the_name_although_the_address_is_pinned(
    tmp_path: Path, certified: str, trusted: bool, delivered: bool
) -> None:
    server, client = certificate(tmp_path, certified)
    resolver, _ = resolver_of(["127.0.0.1"])
    settings = WebhookSettings(rules=OutboundRules(private_addresses=True), attempts=1)
    async with receiving(tls=server) as receiver:
        made = await WebhookSender(settings, tls=client if trusted else None, resolver=resolver).deliver(
            f"https://hooks.example.org:{receiver.port}/", SECRET, "d1", {}
        )
    assert made.delivered is delivered, made
    if not delivered:
        assert receiver.bodies == [] and "certificate" in str(made.error).lower()


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with receiving() as receiver:
        assert (await sender().deliver(f"http://127.0.0.1:{receiver.port}/", SECRET, "d1", {})).delivered
