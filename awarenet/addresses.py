"""Addresses of listeners, as a client on the same machine writes them."""

from __future__ import annotations

from typing import Final

_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def local_address(host: str, port: int) -> str:
    """`host:port` at which a client on this machine reaches what listens on `host`, which may be every interface."""
    host = _LOOPBACK.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
