"""Processor cores that threads share equally, as an operating system shares them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

Steps = Generator[simpy.Event, Any, Any]


@dataclass(eq=False)
class _Job:
    left: float
    done: simpy.Event


class Processor:
    """Processor sharing: every running thread gets a core, or an equal part where there are more threads than cores.

    Args:
        world: The simulation.
        cores: How many.
        busy_speed: Speed of each core when all are busy, relative to one that is busy alone: cores share caches,
            memory, and often the execution units of one physical core.
    """

    def __init__(self, world: simpy.Environment, cores: float, busy_speed: float = 1.0) -> None:
        self._world = world
        self._cores = cores
        self._busy_speed = busy_speed
        self._jobs: list[_Job] = []
        self._since = 0.0
        self._version = 0
        self.used = 0.0
        """Core-seconds that were worked."""

    def run(self, seconds: float) -> simpy.Event:
        """Works for so many seconds of an otherwise idle core; the event comes when it is done."""
        done = self._world.event()
        if seconds <= 0:
            return done.succeed()
        self._advance()
        self._jobs.append(_Job(seconds, done))
        self._plan()
        return done

    def _speed(self) -> float:
        """Of each thread."""
        running = len(self._jobs)
        if running <= 1 or self._cores <= 1:
            return min(1.0, self._cores / running)
        crowded = min(1.0, (running - 1) / (self._cores - 1))
        return min(1.0, self._cores / running) * (1 - crowded * (1 - self._busy_speed))

    def _advance(self) -> None:
        passed = self._world.now - self._since
        self._since = self._world.now
        if self._jobs and passed > 0:
            worked = passed * self._speed()
            self.used += worked * len(self._jobs)
            for job in self._jobs:
                job.left -= worked

    def _plan(self) -> None:
        """Looks again when the shortest job is done, unless something changes before."""
        self._version += 1
        if self._jobs:
            shortest = max(0.0, min(job.left for job in self._jobs))
            self._world.process(self._wake(self._version, shortest / self._speed()))

    def _wake(self, version: int, after: float) -> Steps:
        yield self._world.timeout(after)
        if version != self._version:
            return
        self._advance()
        finished = [job for job in self._jobs if job.left <= 1e-9]
        self._jobs = [job for job in self._jobs if job.left > 1e-9]
        for job in finished:
            job.done.succeed()
        self._plan()
