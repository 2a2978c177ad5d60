"""Sends one picture over HTTP and notes what came of it."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import aiohttp

from loadtests.mix import Sending
from loadtests.service import Service
from loadtests.tally import Tally

PATIENCE_S: Final = 60.0
"""Longest time for an answer; beyond it the request has failed."""

KEEP_ALIVE_S: Final = 65
"""Time that a client keeps an idle connection: less than the gateway does, or it would send into a closing one."""


def open_session(service: Service, *, connections: int = 0, source: str | None = None) -> aiohttp.ClientSession:
    """A client of the gateway.

    Args:
        service: Where.
        connections: Most connections; 0 for as many as it takes.
        source: Address to connect from; None leaves it to the system.
    """
    connector = aiohttp.TCPConnector(
        limit=connections, keepalive_timeout=KEEP_ALIVE_S, local_addr=(source, 0) if source else None
    )
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    return aiohttp.ClientSession(
        connector=connector, headers=service.headers, timeout=timeout, cookie_jar=_NO_COOKIES()
    )


_NO_COOKIES: Any = aiohttp.DummyCookieJar


async def send(
    session: aiohttp.ClientSession, service: Service, sending: Sending, tally: Tally, *, due: float | None = None
) -> float | None:
    """Has one picture judged.

    Args:
        session: The client.
        service: Where.
        sending: What.
        tally: Where it is noted.
        due: `time.perf_counter()` at which it should have been sent: its time counts from then, so that a late driver
            hides nothing; None for now.

    Returns:
        Seconds after which to send it again, where the service refused it; None where it did not.
    """
    begun = time.perf_counter() if due is None else due
    try:
        async with session.post(f"{service.url}/v1/detect", data=sending.body) as response:
            if response.status == 200:
                verdict = await response.json()
                taken = time.perf_counter() - begun
                tally.answer(taken, sending.known.fault(verdict), repeated=sending.repeated)
                return None
            text = await response.text()
            taken = time.perf_counter() - begun
            if response.status == 503:
                return tally.refuse(taken, response.headers.get("Retry-After"))
            tally.fail(f"{response.status} {text[:120]}")
    except asyncio.TimeoutError:
        tally.fail(f"no answer within {PATIENCE_S:g} s")
    except aiohttp.ClientError as error:
        tally.fail(f"{type(error).__name__}: {error}")
    return None
