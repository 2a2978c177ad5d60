"""What a picture costs each part of the running service, from the processor time of its processes."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import psutil

from awarenet.errors import DataError, ServiceError
from benchmarks.machine import describe
from loadtests.capacity.model import Host, Picture, Stage, per_face
from loadtests.clients import confirm
from loadtests.corpus import KINDS, Corpus, Kind
from loadtests.mix import Mix, Source
from loadtests.sender import open_session, send
from loadtests.service import Service
from loadtests.tally import Tally

STAGES: Final = ("fast_filter", "efficientnet", "genconvit")

_WARM_UP: Final = 3
"""Pictures before the first that counts."""

_fresh = itertools.count(1)


@dataclass(frozen=True)
class Cost:
    """Processor seconds of each part for one picture of a kind, and what it is made of.

    Attributes:
        pictures: How many were measured.
        faces: Faces of a picture, on average.
        deferred: Of these, faces that go to the heavy stages.
        latency_s: From sending to answer.
        parts: Processor seconds by part: `gateway`, `workers`, `triton`, `router`, the stages, `driver`.
    """

    pictures: int
    faces: float
    deferred: float
    latency_s: float
    parts: dict[str, float]

    @property
    def total(self) -> float:
        """Processor seconds of all parts together."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Demands:
    """What the model is fed with.

    Attributes:
        shares: Of each kind in the mix.
        costs: Of each kind, with one caller.
        busy_speed: Speed of a core when all are busy, relative to one caller's.
        cores: Of the machine.
        machine: What it is, and what else ran on it.
    """

    shares: dict[str, float]
    costs: dict[str, Cost]
    busy_speed: float
    cores: int
    machine: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain containers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Demands:
        """What `to_dict` gave.

        Raises:
            DataError: It is not that.
        """
        try:
            costs = {kind: Cost(**cost) for kind, cost in plain["costs"].items()}
            return cls(dict(plain["shares"]), costs, plain["busy_speed"], plain["cores"], dict(plain["machine"]))
        except (KeyError, TypeError) as error:
            raise DataError(f"capacity: no measured demands ({error!r}); run `capacity measure` again") from error

    def mean(self, part: str) -> float:
        """Processor seconds of a part for one picture of the mix."""
        return sum(self.shares[kind] * cost.parts[part] for kind, cost in self.costs.items())

    def each(self, stage: str) -> float:
        """Processor seconds of a stage for one face."""
        faces = sum(cost.pictures * _faces(cost, stage) for cost in self.costs.values())
        spent = sum(cost.pictures * cost.parts[stage] for cost in self.costs.values() if _faces(cost, stage))
        return spent / faces if faces else 0.0

    def pictures(self) -> list[Picture]:
        """The kinds as the model takes them."""
        return [
            Picture(self.shares[kind], cost.parts["workers"], round(cost.faces), round(cost.deferred))
            for kind, cost in self.costs.items()
        ]

    def hop_s(self) -> float:
        """Time of a picture in which nothing computes: its latency without what lies on its way."""
        waits = 0.0
        for kind, cost in self.costs.items():
            parts = cost.parts
            heavy = max(parts["efficientnet"], parts["genconvit"])
            way = (
                sum(parts[part] for part in ("gateway", "workers", "triton", "router", "fast_filter", "driver")) + heavy
            )
            waits += self.shares[kind] * max(0.0, cost.latency_s - way)
        return waits

    def host(self, workers: int, queue: int) -> Host:
        """This machine, with its driver."""
        return Host(
            cores=self.cores,
            workers=workers,
            queue=queue,
            stages={stage: Stage(per_face(self.each(stage))) for stage in STAGES},
            gateway_s=self.mean("gateway"),
            router_s=self.mean("triton") + self.mean("router"),
            hop_s=self.hop_s(),
            driver_s=self.mean("driver"),
            busy_speed=self.busy_speed,
        )


async def measure(
    service: Service, corpus: Corpus, mix: Mix, seconds: float, say: Callable[[str], None] = lambda _: None
) -> Demands:
    """Sends pictures of one kind after the other, and reads how long every process computed.

    Args:
        service: Where; nobody else may use it meanwhile.
        corpus: What is sent.
        mix: Whose shares are taken.
        seconds: In all.
        say: Told what is going on.
    """
    machine = describe()
    machine["face_engine"] = await confirm(service, corpus)
    cores = psutil.cpu_count() or 1
    kinds = [kind for kind in KINDS if corpus.of(kind) and mix.shares.get(kind)]
    whole = sum(mix.shares[kind] for kind in kinds)
    shares: dict[str, float] = {kind: mix.shares[kind] / whole for kind in kinds}
    alone: dict[str, Cost] = {}
    slowed = 0.0
    for kind in kinds:
        say(f"{kind}: one caller, then {cores}")
        alone[kind] = await _cost(service, corpus, kind, 1, 0.6 * seconds / len(kinds))
        crowded = await _cost(service, corpus, kind, cores, 0.4 * seconds / len(kinds))
        slowed += shares[kind] * crowded.total
    speed = sum(shares[kind] * cost.total for kind, cost in alone.items()) / slowed
    return Demands(shares, alone, min(1.0, speed), cores, machine)


async def _cost(service: Service, corpus: Corpus, kind: Kind, callers: int, seconds: float) -> Cost:
    pictures = corpus.of(kind)
    source = Source(Corpus(pictures), Mix({kind: 1.0}, 0.0), random.Random(0), number=next(_fresh) << 40)
    tally, faces, deferred, taken = Tally(), 0, 0, 0.0
    ends = 0.0

    async def call() -> None:
        nonlocal faces, deferred, taken
        while time.perf_counter() < ends:
            sending = source.next()
            begun = time.perf_counter()
            await send(session, service, sending, tally)
            taken += time.perf_counter() - begun
            faces += len(sending.known.exits)
            deferred += sum(stage > 1 for stage in sending.known.exits)

    async with open_session(service) as session:
        for _ in range(_WARM_UP):
            await send(session, service, source.next(), Tally())
        before = _spent(service)
        ends = time.perf_counter() + seconds
        await asyncio.gather(*(call() for _ in range(callers)))
    after = _spent(service)
    count = tally.answered
    if not tally.sound or tally.refused or not count:
        raise ServiceError(f"capacity: {kind} was not measured: {tally.summary()['errors_by_kind'] or 'no answers'}")
    parts = {part: (after[part] - before[part]) / count for part in after}
    return Cost(count, faces / count, deferred / count, taken / count, parts)


def _spent(service: Service) -> dict[str, float]:
    """Processor seconds of every part so far."""
    spent = dict.fromkeys(("gateway", "workers", "triton", "router", *STAGES, "driver"), 0.0)
    spent["driver"] = time.process_time()
    spent["gateway"] = _seconds(psutil.Process(service.pid))
    for process in psutil.Process(service.pid).children(recursive=True):
        spent["workers"] += _seconds(process)
    for process in psutil.Process(service.triton).children(recursive=True):
        command = " ".join(process.cmdline())
        stub = next((name for name in ("cascade", *STAGES) if f"/{name}/1/model.py" in command), None)
        spent[{"cascade": "router", None: "triton"}.get(stub, stub or "triton")] += _seconds(process)
    return spent


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _faces(cost: Cost, stage: str) -> float:
    return cost.faces if stage == "fast_filter" else cost.deferred
