"""`python -m loadtests clients`: ten thousand clients at once, each with its own connection, none without an answer.

The driver is one asyncio process, because it shares two cores with the service; docs/capacity.md has what Locust takes
for the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field
from typing import Any, Final

from awarenet.errors import ServiceError
from benchmarks.machine import describe
from gateway.timing import within
from loadtests.corpus import Corpus
from loadtests.mix import Mix, Sending, Source
from loadtests.sender import KEEP_ALIVE_S, open_session, send
from loadtests.service import Footprint, Service
from loadtests.slope import Trend
from loadtests.tally import Latencies, Tally

PER_ADDRESS: Final = 20_000
"""Connections from one source address: fewer than the system has ports for."""

GROWTH_PER_MINUTE: Final = 0.01
"""Growth of memory, as a share of it, that is called flat."""

_LOOK_S: Final = 1.0
_TICK_S: Final = 0.1
_SETTLING: Final = 0.3
"""Share of the steady time at whose beginning memory is not judged: caches fill up."""


@dataclass(frozen=True)
class Plan:
    """How the clients behave.

    Attributes:
        clients: How many.
        seconds: Time for which all of them are there.
        ramp_s: Time over which they come.
        think_s: Mean time between an answer and the next picture, exponential.
        mix: What they send.
        seed: Of every choice.
    """

    clients: int = 10_000
    seconds: float = 180.0
    ramp_s: float = 60.0
    think_s: float = 30.0
    mix: Mix = field(default_factory=Mix)
    seed: int = 0


@dataclass
class _Run:
    """What the clients of one run share.

    Attributes:
        service: Where.
        plan: How they behave.
        ending: Set when they shall go.
        tally: What comes of their requests; another one once all of them are there.
        sent: Requests begun.
    """

    service: Service
    plan: Plan
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    tally: Tally = field(default_factory=Tally)
    sent: int = 0


async def run(service: Service, corpus: Corpus, plan: Plan) -> dict[str, Any]:
    """Lets the clients come, stay and go.

    Args:
        service: Where.
        corpus: What they send.
        plan: How they behave.

    Returns:
        What `build/load.json` holds.
    """
    machine = describe()
    engine = await confirm(service, corpus)
    state = _Run(service, plan)
    lags = Latencies()
    footprints: list[tuple[float, Footprint]] = []
    begun, processor = time.monotonic(), time.process_time()
    ticking = asyncio.create_task(_measure_lag(lags))
    looking = asyncio.create_task(_look(service, footprints))
    crowd = [asyncio.create_task(_client(number, state, corpus)) for number in range(plan.clients)]
    await asyncio.sleep(plan.ramp_s)
    ramp, state.tally = state.tally, Tally()
    steady = time.monotonic()
    await asyncio.sleep(plan.seconds)
    most = max((footprint.descriptors for _, footprint in footprints), default=0)
    during = time.monotonic() - steady
    state.ending.set()
    await asyncio.gather(*crowd)
    ticking.cancel()
    looking.cancel()
    elapsed = time.monotonic() - begun
    tally = state.tally
    answered, refused = ramp.answered + tally.answered, ramp.refused + tally.refused
    errors, wrong = ramp.errors + tally.errors, ramp.wrong + tally.wrong
    judged = [(at, seen) for at, seen in footprints if at >= steady + _SETTLING * during]
    return {
        "clients": plan.clients,
        "requests": state.sent,
        "answered": answered,
        "refused_503": refused,
        "errors": sum(errors.values()),
        "errors_by_kind": dict(errors.most_common(20)),
        "wrong_verdicts": sum(wrong.values()),
        "wrong_by_kind": dict(wrong.most_common(20)),
        "unanswered": state.sent - answered - refused - sum(errors.values()),
        "p95_accepted_ms": tally.accepted.ms(95),
        "p95_scored_ms": tally.scored.ms(95),
        "steady": tally.summary(),
        "answered_per_s": tally.answered / during,
        "scored_per_s": tally.scored.count / during,
        "refused_per_s": tally.refused / during,
        "connections_at_once": most,
        "memory": _memory([(at, seen.rss_mb) for at, seen in judged]),
        "tree_mb": judged[-1][1].tree_mb if judged else None,
        "driver": {"processor_share": (time.process_time() - processor) / elapsed, "lag_ms": lags.summary()},
        "plan": {"seconds": plan.seconds, "ramp_s": plan.ramp_s, "think_s": plan.think_s, "repeats": plan.mix.repeats}
        | {"shares": dict(plan.mix.shares)},
        "face_engine": engine,
        "machine": machine,
    }


def sound(result: dict[str, Any]) -> bool:
    """Whether every request was answered, and rightly."""
    return not (result["errors"] or result["wrong_verdicts"] or result["unanswered"])


async def confirm(service: Service, corpus: Corpus) -> str:
    """Asks for each picture once, one after the other: the service must say what is known.

    Returns:
        What finds the faces there.

    Raises:
        ServiceError: It says something else, or nothing.
    """
    answers = {}
    async with open_session(service) as session:
        for known in corpus.known:
            async with session.post(f"{service.url}/v1/detect", data=known.jpeg) as response:
                if response.status != 200:
                    raise ServiceError(f"load: without load, {known.name} was answered with {response.status}")
                answers[known.name] = await response.json()
    corpus.confirm(answers)
    return str(next(iter(answers.values()))["face_engine"])


async def _client(number: int, state: _Run, corpus: Corpus) -> None:
    """One client: comes, sends, thinks, and comes back when it is told to."""
    plan = state.plan
    rng = random.Random(plan.seed * 1_000_003 + number)
    source = Source(corpus, plan.mix, rng, number=number << 32)
    if await _ended(state, number / plan.clients * plan.ramp_s):
        return
    async with open_session(state.service, connections=1, source=_address(number)) as session:
        waiting: Sending | None = None
        while not state.ending.is_set():
            sending = waiting or source.next()
            state.sent += 1
            pause = await send(session, state.service, sending, state.tally)
            if pause is None:
                waiting, pause = None, min(rng.expovariate(1 / plan.think_s), KEEP_ALIVE_S - 5)
            else:
                waiting, pause = sending, pause * rng.uniform(1.0, 1.25)  # Not all at the same instant.
            if await _ended(state, pause):
                return


async def _ended(state: _Run, seconds: float) -> bool:
    """Waits, and says whether the run ended meanwhile."""
    with contextlib.suppress(asyncio.TimeoutError):
        await within(seconds, state.ending.wait())
    return state.ending.is_set()


def _address(number: int) -> str:
    return f"127.0.0.{2 + number // PER_ADDRESS}"


async def _measure_lag(lags: Latencies) -> None:
    """How late the driver itself is: what is measured cannot be more exact."""
    while True:
        due = time.perf_counter() + _TICK_S
        await asyncio.sleep(_TICK_S)
        lags.add(max(0.0, time.perf_counter() - due))


async def _look(service: Service, footprints: list[tuple[float, Footprint]]) -> None:
    while True:
        footprints.append((time.monotonic(), await asyncio.to_thread(Footprint.of, service)))
        await asyncio.sleep(_LOOK_S)


def _memory(samples: list[tuple[float, float]]) -> dict[str, Any]:
    """The gateway's own memory over the steady time, and whether it grows."""
    if len(samples) < Trend.FEWEST:
        return {"flat": None}
    trend = Trend.of([at for at, _ in samples], [value for _, value in samples])
    allowed = GROWTH_PER_MINUTE * trend.median / 60
    return {
        "rss_mb": trend.median,
        "mb_per_minute": trend.slope * 60,
        "mb_per_minute_low": trend.low * 60,
        "mb_per_minute_high": trend.high * 60,
        "allowed_mb_per_minute": allowed * 60,
        "flat": not trend.grows(allowed),
    }
