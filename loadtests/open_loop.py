"""Open loop: requests begin when chance says so, whether earlier ones are answered or not.

Clients that wait for their answers send less the slower the service is, and so hide how slow it is. Here the time of an
answer counts from the instant at which the request was due.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator

import aiohttp

from loadtests.mix import Source
from loadtests.sender import send
from loadtests.service import Service
from loadtests.tally import Latencies, Tally


def poisson(rate: float, seconds: float, rng: random.Random) -> Iterator[float]:
    """Instants of a Poisson process, from 0.

    Args:
        rate: Per second.
        seconds: Its length.
        rng: Of every choice.
    """
    at = rng.expovariate(rate)
    while at < seconds:
        yield at
        at += rng.expovariate(rate)


async def offer(
    session: aiohttp.ClientSession,
    service: Service,
    source: Source,
    rate: float,
    seconds: float,
    rng: random.Random,
    tally: Tally,
    *,
    lags: Latencies | None = None,
) -> float:
    """Offers pictures at a steady rate; a refused one is not sent again.

    Args:
        session: With as many connections as it takes.
        service: Where.
        source: What is sent.
        rate: Per second.
        seconds: How long.
        rng: Of the instants.
        tally: Where it is noted.
        lags: Told how late each request was sent.

    Returns:
        Seconds from the first instant to the last answer.
    """
    under_way: set[asyncio.Task[float | None]] = set()
    begun = time.perf_counter()
    for at in poisson(rate, seconds, rng):
        due = begun + at
        if (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        if lags is not None:
            lags.add(max(0.0, time.perf_counter() - due))
        task = asyncio.create_task(send(session, service, source.next(), tally, due=due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    if under_way:
        await asyncio.wait(under_way)
    return time.perf_counter() - begun
