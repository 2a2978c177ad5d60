"""`python -m loadtests curve`: latency, goodput and refusals against the offered rate, up to three times full."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.machine import describe
from loadtests.clients import confirm
from loadtests.corpus import Corpus
from loadtests.mix import Mix, Source
from loadtests.open_loop import offer
from loadtests.sender import open_session, send
from loadtests.service import Service
from loadtests.tally import Latencies, Tally

LOADS: Final = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0)
"""Offered rates as multiples of the rate at saturation."""

REFUSED_AT_KNEE: Final = 0.01
P95_AT_KNEE_MS: Final = 500.0

_fresh = itertools.count(1)


@dataclass(frozen=True)
class Plan:
    """What is offered.

    Attributes:
        seconds: Time at each rate.
        loads: The rates, as multiples of saturation.
        mix: What is sent.
        callers: Callers that saturate the service without being refused.
        seed: Of every choice.
    """

    seconds: float = 20.0
    loads: Sequence[float] = LOADS
    mix: Mix = field(default_factory=lambda: Mix(repeats=0.0))
    callers: int = 4
    seed: int = 0


async def measure(
    service: Service, corpus: Corpus, plan: Plan, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Measures saturation, and then every rate.

    Args:
        service: Where.
        corpus: What is sent.
        plan: How.
        say: Told what is going on.

    Returns:
        `saturation_per_s`, `points` (each with `load`, `offered_per_s` and the counts of a tally), `knee_per_s`.
    """
    machine = describe()
    engine = await confirm(service, corpus)
    rng = random.Random(plan.seed)
    say("saturation")
    saturation = await saturate(service, corpus, plan.mix, plan.callers, plan.seconds, rng)
    points = []
    for load in plan.loads:
        rate = load * saturation
        say(f"{rate:.1f} pictures/s, {load:g} of saturation")
        points.append({"load": load} | await at_rate(service, corpus, plan.mix, rate, plan.seconds, rng))
    return {
        "saturation_per_s": saturation,
        "points": points,
        "knee_per_s": knee(points),
        "face_engine": engine,
        "machine": machine,
    }


async def saturate(
    service: Service, corpus: Corpus, mix: Mix, callers: int, seconds: float, rng: random.Random
) -> float:
    """Pictures per second of a few callers that always have one under way; fewer than would be refused."""
    source = Source(corpus, mix, rng, number=next(_fresh) << 40)
    tally = Tally()
    ends = time.perf_counter() + seconds

    async def call() -> None:
        while time.perf_counter() < ends:
            await send(session, service, source.next(), tally)

    async with open_session(service) as session:
        begun = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(callers)))
        return tally.answered / (time.perf_counter() - begun)


async def at_rate(
    service: Service, corpus: Corpus, mix: Mix, rate: float, seconds: float, rng: random.Random
) -> dict[str, Any]:
    """One point: what becomes of pictures that come at this rate."""
    source = Source(corpus, mix, rng, number=next(_fresh) << 40)
    tally, lags = Tally(), Latencies()
    processor = time.process_time()
    async with open_session(service) as session:
        spent = await offer(session, service, source, rate, seconds, rng, tally, lags=lags)
    asked = tally.answered + tally.refused + sum(tally.errors.values())
    return {
        "offered_per_s": asked / seconds,
        "goodput_per_s": tally.answered / spent,
        "refused_share": tally.refused / asked if asked else 0.0,
        "driver_processor_share": (time.process_time() - processor) / spent,
        "driver_lag_p99_ms": lags.ms(99),
    } | tally.summary()


def knee(points: Sequence[dict[str, Any]]) -> float | None:
    """The highest offered rate up to which everything is answered in time; None where not even the lowest is.

    In time: p95 under 500 ms and at most one in a hundred refused, at this rate and at every lower one.
    """
    highest = None
    for point in points:
        p95 = point["accepted_ms"]["p95"]
        if p95 is None or p95 >= P95_AT_KNEE_MS or point["refused_share"] > REFUSED_AT_KNEE:
            break
        highest = point["offered_per_s"]
    return highest
