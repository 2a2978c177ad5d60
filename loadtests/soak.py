"""`python -m loadtests soak`: whether the service grows while it works for a long time.

Resident memory, open files and `/dev/shm` are looked at all the time, and a series that surely grows faster than is
allowed is a leak. A process that leaks on purpose is watched the same way beforehand: a test that does not catch it
would prove nothing.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import psutil

from awarenet.errors import ServiceError
from benchmarks.machine import describe
from loadtests.clients import confirm
from loadtests.corpus import Corpus
from loadtests.mix import Mix, Source
from loadtests.open_loop import offer
from loadtests.sender import open_session
from loadtests.service import Footprint, Service, shared_memory_mb
from loadtests.slope import Trend
from loadtests.tally import Latencies, Tally

ALLOWED_PER_HOUR: Final[Mapping[str, float]] = {
    "rss_mb": 12.0,
    "tree_mb": 40.0,
    "descriptors": 20.0,
    "shared_mb": 8.0,
}
"""Growth an hour that is no leak: allocators and caches settle for a long time. A leak of one kilobyte a picture
would be 28 MB in an hour of 8 pictures a second."""

WARM_UP: Final = 0.25
"""Share of the time at its beginning that does not count."""

LEAKING: Final = (sys.executable, "-m", "loadtests.leak")
_CONTROL_S: Final = 12.0
_CONTROL_LOOKS: Final = 40


@dataclass(frozen=True)
class Series:
    """What was seen of one figure.

    Attributes:
        name: The figure.
        seconds: Instants.
        values: What it was then.
    """

    name: str
    seconds: Sequence[float]
    values: Sequence[float]

    def verdict(self, allowed_per_hour: float) -> dict[str, Any]:
        """Its trend an hour, and whether it leaks."""
        trend = Trend.of(self.seconds, self.values)
        return {
            "median": trend.median,
            "per_hour": trend.slope * 3600,
            "per_hour_low": trend.low * 3600,
            "per_hour_high": trend.high * 3600,
            "allowed_per_hour": allowed_per_hour,
            "leaks": trend.grows(allowed_per_hour / 3600),
        }


async def run(
    service: Service,
    corpus: Corpus,
    mix: Mix,
    rate: float,
    minutes: float,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Works at a steady rate, and looks.

    Args:
        service: Where.
        corpus: What is sent.
        mix: How often each kind comes.
        rate: Pictures a second.
        minutes: How long.
        say: Told how it goes, once a minute.

    Returns:
        The counts of a tally, and `figures`, each with its trend and whether it `leaks`.
    """
    machine = describe()
    engine = await confirm(service, corpus)
    rng = random.Random(0)
    tally, lags = Tally(), Latencies()
    seconds = minutes * 60
    seen: list[tuple[float, Footprint]] = []
    looking = asyncio.create_task(_look(service, seconds, seen, tally, say))
    async with open_session(service) as session:
        await offer(session, service, Source(corpus, mix, rng, number=1 << 50), rate, seconds, rng, tally, lags=lags)
    looking.cancel()
    counted = [(at, footprint) for at, footprint in seen if at >= WARM_UP * seconds]
    return {
        "minutes": minutes,
        "rate_per_s": rate,
        "looks": len(counted),
        "figures": judge(counted),
        "driver_lag_p99_ms": lags.ms(99),
        "face_engine": engine,
        "machine": machine,
    } | tally.summary()


def judge(seen: Sequence[tuple[float, Footprint]]) -> dict[str, Any]:
    """The verdict on every figure."""
    seconds = [at for at, _ in seen]
    rows = [asdict(footprint) for _, footprint in seen]
    return {
        name: Series(name, seconds, [row[name] for row in rows]).verdict(allowed)
        for name, allowed in ALLOWED_PER_HOUR.items()
    }


def control(seconds: float = _CONTROL_S) -> dict[str, Any]:
    """Watches a process that leaks memory, open files and shared memory on purpose.

    Returns:
        The verdict on each of them.

    Raises:
        ServiceError: A leak was not caught.
    """
    series: dict[str, list[float]] = {"rss_mb": [], "descriptors": [], "shared_mb": []}
    instants: list[float] = []
    with subprocess.Popen(LEAKING, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as leaking:
        try:
            assert leaking.stdout is not None
            leaking.stdout.readline()  # It has begun.
            process = psutil.Process(leaking.pid)
            for _ in range(_CONTROL_LOOKS):
                instants.append(time.monotonic())
                series["rss_mb"].append(process.memory_info().rss / 2**20)
                series["descriptors"].append(process.num_fds())
                series["shared_mb"].append(shared_memory_mb())
                time.sleep(seconds / _CONTROL_LOOKS)
        finally:
            assert leaking.stdin is not None
            leaking.stdin.close()  # It takes what it left in /dev/shm with it.
    found = {name: Series(name, instants, values).verdict(ALLOWED_PER_HOUR[name]) for name, values in series.items()}
    if missed := [name for name, verdict in found.items() if not verdict["leaks"]]:
        raise ServiceError(f"soak: what leaks on purpose was not caught by {', '.join(missed)}; trust no result")
    return found


async def _look(
    service: Service,
    seconds: float,
    seen: list[tuple[float, Footprint]],
    tally: Tally,
    say: Callable[[str], None],
) -> None:
    begun, pause, told = time.monotonic(), min(5.0, seconds / 120), 0
    while True:
        at = time.monotonic() - begun
        seen.append((at, await asyncio.to_thread(Footprint.of, service)))
        if at // 60 > told:
            told = int(at // 60)
            latest = seen[-1][1]
            say(f"{told} min: {tally.answered:,} answered, {latest.rss_mb:.0f} MB, {latest.descriptors} open files")
        await asyncio.sleep(pause)
