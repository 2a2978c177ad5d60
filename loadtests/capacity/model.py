"""The service as a simulation: gateway, workers, router, stages; queues, cores and accelerators between them.

    arrival -> gateway -> [workers + queue, else 503] -> router (batches) -> fast filter -> efficientnet + genconvit

Every part that is measured in processor time runs on shared cores (`Processor`); a stage on an accelerator takes its
time for a batch there and leaves the cores alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

from loadtests.capacity.processor import Processor, Steps
from loadtests.tally import Latencies


@dataclass(frozen=True)
class Picture:
    """What one kind of picture asks for.

    Attributes:
        share: Of all pictures.
        worker_s: Processor time for reading it and finding its faces.
        faces: Faces that the fast filter looks at.
        deferred: Of these, faces that go on to the heavy stages.
    """

    share: float
    worker_s: float
    faces: int
    deferred: int


@dataclass(frozen=True)
class Stage:
    """A network.

    Attributes:
        seconds: Time of a batch by its size: processor time, or time on the accelerator.
        instances: Batches at once.
        on_processor: Whether the time is processor time.
    """

    seconds: Callable[[int], float]
    instances: int = 1
    on_processor: bool = True


@dataclass(frozen=True)
class Host:
    """One replica: a gateway with its Triton.

    Attributes:
        cores: Processor cores for all of it.
        workers: Worker processes of the gateway; each has one picture in hand until it is judged.
        queue: Pictures that may wait for a worker.
        routers: Instances of the router; each judges one batch at a time.
        stages: `fast_filter`, `efficientnet`, `genconvit`.
        gateway_s: Processor time of the gateway's own process for each request, refused ones included.
        router_s: Processor time of Triton and the router for each batch.
        hop_s: Time for each picture in which nothing computes: processes that wait to be woken.
        driver_s: Processor time of the load's driver for each request, where it shares the cores.
        busy_speed: See `Processor`.
        most_faces: Largest batch.
    """

    cores: float
    workers: int
    queue: int
    stages: Mapping[str, Stage]
    routers: int = 2
    gateway_s: float = 0.002
    router_s: float = 0.002
    hop_s: float = 0.0
    driver_s: float = 0.0
    busy_speed: float = 1.0
    most_faces: int = 64


@dataclass
class Outcome:
    """What a simulated run gave.

    Attributes:
        offered: Pictures that came.
        answered: Pictures that were judged.
        refused: Pictures that found the queue full.
        latencies: Of those judged.
        seconds: Simulated time that counted.
        core_seconds: Worked by the cores in all of it.
    """

    seconds: float
    offered: int = 0
    answered: int = 0
    refused: int = 0
    core_seconds: float = 0.0
    latencies: Latencies = field(default_factory=Latencies)

    @property
    def goodput(self) -> float:
        """Pictures judged in a second."""
        return self.answered / self.seconds

    @property
    def refused_share(self) -> float:
        """Of those offered."""
        return self.refused / self.offered if self.offered else 0.0


@dataclass(eq=False)
class _Asked:
    picture: Picture
    done: simpy.Event


def simulate(
    host: Host, pictures: Sequence[Picture], rate: float, seconds: float, *, seed: int = 0, warm_up: float = 0.1
) -> Outcome:
    """One replica under Poisson arrivals.

    Args:
        host: The replica.
        pictures: What comes.
        rate: Pictures a second.
        seconds: Simulated time.
        seed: Of every choice.
        warm_up: Share of it that does not count.
    """
    run = _Run(host, pictures, random.Random(seed), seconds, warm_up * seconds)
    run.world.process(run.arrivals(rate))
    run.world.run(until=seconds)
    return run.outcome


def saturate(host: Host, pictures: Sequence[Picture], callers: int, seconds: float, *, seed: int = 0) -> Outcome:
    """One replica under callers that always have one picture under way."""
    run = _Run(host, pictures, random.Random(seed), seconds, 0.1 * seconds)
    for _ in range(callers):
        run.world.process(run.caller())
    run.world.run(until=seconds)
    return run.outcome


class _Run:
    def __init__(
        self, host: Host, pictures: Sequence[Picture], rng: random.Random, seconds: float, counted_from: float
    ) -> None:
        self.world = simpy.Environment()
        self.outcome = Outcome(seconds - counted_from)
        self._host, self._pictures, self._rng, self._from = host, pictures, rng, counted_from
        self._weights = [picture.share for picture in pictures]
        self._processor = Processor(self.world, host.cores, host.busy_speed)
        self._loop = simpy.Resource(self.world)
        self._workers = simpy.Resource(self.world, host.workers)
        self._inside = 0
        self._asked: simpy.Store = simpy.Store(self.world)
        self._stages = {name: simpy.Resource(self.world, stage.instances) for name, stage in host.stages.items()}
        for _ in range(host.routers):
            self.world.process(self._router())

    def arrivals(self, rate: float) -> Steps:
        while True:
            yield self.world.timeout(self._rng.expovariate(rate))
            self.world.process(self._request(self._draw()))

    def caller(self) -> Steps:
        while True:
            yield self.world.process(self._request(self._draw()))

    def _draw(self) -> Picture:
        (picture,) = self._rng.choices(self._pictures, self._weights)
        return picture

    def _request(self, picture: Picture) -> Steps:
        host, counted, begun = self._host, self.world.now >= self._from, self.world.now
        self.outcome.offered += counted
        yield self._processor.run(host.driver_s)
        with self._loop.request() as turn:
            yield turn
            yield self._processor.run(host.gateway_s)
        if self._inside >= host.workers + host.queue:
            self.outcome.refused += counted
            return
        self._inside += 1
        with self._workers.request() as worker:
            yield worker
            yield self.world.timeout(host.hop_s)
            yield self._processor.run(picture.worker_s)
            if picture.faces:
                asked = _Asked(picture, self.world.event())
                self._asked.put(asked)
                yield asked.done
        self._inside -= 1
        if counted:
            self.outcome.answered += 1
            self.outcome.latencies.add(self.world.now - begun)
            self.outcome.core_seconds = self._processor.used

    def _router(self) -> Steps:
        """Takes all that waits, up to a full batch, and runs the cascade on it."""
        while True:
            batch = [(yield self._asked.get())]
            faces = batch[0].picture.faces
            while self._asked.items and faces + self._asked.items[0].picture.faces <= self._host.most_faces:
                batch.append((yield self._asked.get()))
                faces += batch[-1].picture.faces
            yield self._processor.run(self._host.router_s)
            yield self.world.process(self._stage("fast_filter", faces))
            if deferred := sum(asked.picture.deferred for asked in batch):
                heavy = [self.world.process(self._stage(name, deferred)) for name in ("efficientnet", "genconvit")]
                yield simpy.AllOf(self.world, heavy)
            for asked in batch:
                asked.done.succeed()

    def _stage(self, name: str, faces: int) -> Steps:
        stage = self._host.stages[name]
        with self._stages[name].request() as turn:
            yield turn
            if stage.on_processor:
                yield self._processor.run(stage.seconds(faces))
            else:
                yield self.world.timeout(stage.seconds(faces))


def per_face(seconds: float) -> Callable[[int], float]:
    """A stage that takes the same time for every face of a batch."""
    return lambda faces: seconds * faces


def affine(first: float, each: float) -> Callable[[int], float]:
    """A stage that takes a fixed time for a batch and some for each face."""
    return lambda faces: first + each * faces


def percentiles(outcome: Outcome) -> dict[str, Any]:
    """The percentiles of its latencies, in milliseconds."""
    return outcome.latencies.summary()
