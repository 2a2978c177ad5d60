"""Addresses that others chose for this service to call: only public ones, and only the one that was checked.

A name is resolved once, every address it has must be public, and the connection goes to that address and no other. So a
name cannot point at a public address while it is checked and at an internal one afterwards (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx2

from awarenet.errors import InvalidInput, Unavailable

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to addresses; raises OSError when there are none."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(network)
    # What `is_global` lets through on some releases of Python, and IPv6 that tunnels to unchecked IPv4.
    for network in ("192.0.0.0/24", "192.88.99.0/24", "::/96", "2001::/32", "2002::/16", "64:ff9b:1::/48", "fec0::/10")
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_LONGEST_URL: Final = 2000
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}", re.ASCII)


@dataclass(frozen=True)
class OutboundRules:
    """What may be called.

    Attributes:
        private_addresses: Also addresses of this machine and of private networks. Only for networks where whoever may
            name an address may reach everything anyway.
        loopback_http: Also plain http, to this machine alone (tests, and a receiver beside the gateway).
    """

    private_addresses: bool = False
    loopback_http: bool = False


@dataclass(frozen=True)
class Target:
    """A URL with the one address that it may be called at.

    Attributes:
        url: The URL as it was given.
        address: The address, checked.
    """

    url: httpx2.URL
    address: str

    def request(self, method: str, headers: dict[str, str], content: bytes | None = None) -> httpx2.Request:
        """A request to the address, under the URL's own host name in `Host` and TLS.

        Send it by a client that follows no redirects and trusts no proxy of the environment (`client`).
        """
        host = self.url.raw_host.decode()
        pinned = self.url.copy_with(host=self.address)
        named = headers | {"Host": self.url.netloc.decode()}
        return httpx2.Request(method, pinned, headers=named, content=content, extensions={"sni_hostname": host})


def check_url(url: str, rules: OutboundRules) -> httpx2.URL:
    """Refuses a URL that can never be called, without resolving it.

    Raises:
        InvalidInput: It is malformed, not https, or holds a password.
    """
    if len(url) > _LONGEST_URL:
        raise InvalidInput(f"the URL has more than {_LONGEST_URL} characters; give a shorter one")
    try:
        parsed = httpx2.URL(url)
        host = parsed.raw_host.decode()
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise InvalidInput("the URL is malformed; give https://host/path") from error
    schemes = ("https", "http") if rules.loopback_http else ("https",)
    if parsed.scheme not in schemes or not host:
        raise InvalidInput("the URL is not https; give https://host/path")
    if parsed.userinfo:
        raise InvalidInput("the URL holds a user name or password; leave them out")
    if not 0 < (parsed.port or 443) < 65536:
        raise InvalidInput(f"the URL's port {parsed.port} does not exist; give 1 to 65535")
    if (literal := _address(host)) is not None:
        _check_address(parsed, literal, rules)
    elif not _HOST.fullmatch(host):
        raise InvalidInput("the URL's host is no name; give https://host/path")
    return parsed


async def resolve(url: str, rules: OutboundRules, resolver: Resolver | None = None) -> Target:
    """Resolves a URL and checks every address that its host has.

    Raises:
        InvalidInput: The URL is refused by `check_url`, or an address is not public.
        Unavailable: The host has no address at the moment.
    """
    parsed = check_url(url, rules)
    host = parsed.raw_host.decode()
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    try:
        found = await (resolver or _resolve)(host, port)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"{host} cannot be resolved; check the name") from error
    addresses = [_address(text) for text in found]
    for address in addresses:
        _check_address(parsed, address, rules)
    if not addresses:
        raise Unavailable(f"{host} has no address; check the name")
    return Target(parsed, str(addresses[0]))


def client(timeout_s: float, tls: ssl.SSLContext | None = None) -> httpx2.AsyncClient:
    """An HTTP client for targets: no redirects, no proxies or certificates of the environment, no kept connections.

    Args:
        timeout_s: Longest wait for a connection, or between two parts of an answer.
        tls: Trusted certificates; None for the system's.
    """
    return httpx2.AsyncClient(
        verify=tls if tls is not None else ssl.create_default_context(),
        follow_redirects=False,
        trust_env=False,
        timeout=timeout_s,
        limits=httpx2.Limits(max_keepalive_connections=0),
    )


def is_public(address: _Address) -> bool:
    """Whether an address is one that anybody on the internet may be asked to call."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _check_address(url: httpx2.URL, address: _Address | None, rules: OutboundRules) -> None:
    loopback = address is not None and address.is_loopback
    if url.scheme == "http" and not loopback:
        raise InvalidInput("plain http is allowed to this machine alone; give https://host/path")
    if address is None or not (is_public(address) or rules.private_addresses or (loopback and rules.loopback_http)):
        # The address itself is not told: it would map the inner network for the caller.
        raise InvalidInput(f"{url.host} is not a public address; give one that the internet can reach")


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
