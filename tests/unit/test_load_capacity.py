"""The simulation against queues whose waiting time is known in closed form."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
import simpy

from loadtests.capacity.model import Host, Picture, Stage, affine, per_face, saturate, simulate
from loadtests.capacity.processor import Processor

NO_STAGES: dict[str, Stage] = {}


def queue(servers: int, rate: float, service: Callable[[random.Random], float], customers: int, seed: int = 1) -> float:
    """Mean wait in a queue before `servers`, simulated with the processor as its server."""
    world, rng, waits = simpy.Environment(), random.Random(seed), []
    processor, gate = Processor(world, servers), simpy.Resource(world, servers)

    def customer():  # type: ignore[no-untyped-def]
        begun = world.now
        with gate.request() as turn:
            yield turn
            waits.append(world.now - begun)
            yield processor.run(service(rng))

    def arrivals():  # type: ignore[no-untyped-def]
        for _ in range(customers):
            yield world.timeout(rng.expovariate(rate))
            world.process(customer())

    world.process(arrivals())
    world.run()
    return sum(waits) / len(waits)


def erlang_c(servers: int, offered: float) -> float:
    """Probability of waiting in M/M/c."""
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(offered**n / math.factorial(n) for n in range(servers)) + last)


def test_one_server_waits_as_long_as_m_m_1() -> None:
    rate, service = 0.7, 1.0
    wait = queue(1, rate, lambda rng: rng.expovariate(1 / service), 40_000)
    assert wait == pytest.approx(rate / (1 / service - rate) * service, rel=0.1)


def test_several_servers_wait_as_long_as_m_m_c() -> None:
    servers, rate = 3, 2.1
    wait = queue(servers, rate, lambda rng: rng.expovariate(1.0), 40_000)
    assert wait == pytest.approx(erlang_c(servers, rate) / (servers - rate), rel=0.1)


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_constant_service_waits_as_long_as_m_d_c(servers: int) -> None:
    # Pollaczek and Khinchine for one server; for more, Cosmetatos' approximation, good to a few per cent.
    rate = 0.8 * servers
    exponential = erlang_c(servers, rate) / (servers - rate)
    load = rate / servers
    correction = 1 + (1 - load) * (servers - 1) * (math.sqrt(4 + 5 * servers) - 2) / (16 * load * servers)
    expected = exponential / 2 * correction
    assert queue(servers, rate, lambda _: 1.0, 40_000) == pytest.approx(expected, rel=0.1)


def test_cores_are_shared_equally_and_slower_when_all_are_busy() -> None:
    world = simpy.Environment()
    processor, ends = Processor(world, 2, busy_speed=0.5), {}

    def work(name: str, seconds: float):  # type: ignore[no-untyped-def]
        yield processor.run(seconds)
        ends[name] = world.now

    for name, seconds in (("short", 1.0), ("long", 2.0)):
        world.process(work(name, seconds))
    world.run()
    # Both run at half speed until the short one is done after 2 s; the long one then has 1 s of its own left.
    assert ends == pytest.approx({"short": 2.0, "long": 3.0})
    assert processor.used == pytest.approx(3.0)


def test_more_threads_than_cores_get_an_equal_part_each() -> None:
    world = simpy.Environment()
    processor, ends = Processor(world, 2), []

    def work():  # type: ignore[no-untyped-def]
        yield processor.run(1.0)
        ends.append(world.now)

    for _ in range(6):
        world.process(work())
    world.run()
    assert ends == pytest.approx([3.0] * 6)


def test_a_replica_refuses_what_an_erlang_loss_system_refuses() -> None:
    # No queue, and service that does not depend on the others: Erlang's B formula.
    workers, rate = 4, 3.0
    host = Host(64, workers, 0, NO_STAGES, gateway_s=0, router_s=0, hop_s=1.0)
    outcome = simulate(host, [Picture(1.0, 0.0, 0, 0)], rate, 20_000)
    blocked = (rate**workers / math.factorial(workers)) / sum(rate**n / math.factorial(n) for n in range(workers + 1))
    assert outcome.refused_share == pytest.approx(blocked, rel=0.05)


def test_throughput_is_that_of_the_slowest_part() -> None:
    stages = {
        "fast_filter": Stage(per_face(0.001)),
        "efficientnet": Stage(per_face(0.02)),
        "genconvit": Stage(per_face(0.005)),
    }
    host = Host(16, 8, 8, stages, gateway_s=0.001, router_s=0.001)
    pictures = [Picture(0.5, 0.01, 1, 1), Picture(0.5, 0.01, 1, 0)]
    assert saturate(host, pictures, 8, 60).goodput == pytest.approx(1 / (0.5 * 0.02), rel=0.05)


def test_batches_on_an_accelerator_grow_with_the_load_and_pay_off() -> None:
    def host(each: float) -> Host:
        heavy = Stage(affine(0.01, each), on_processor=False)
        stages = {"fast_filter": Stage(affine(0.002, 0), on_processor=False), "efficientnet": heavy, "genconvit": heavy}
        return Host(64, 32, 32, stages, routers=1, gateway_s=0, router_s=0)

    alone = saturate(host(0.0), [Picture(1.0, 0.0, 1, 1)], 1, 30).goodput
    crowd = saturate(host(0.0), [Picture(1.0, 0.0, 1, 1)], 32, 30).goodput
    assert alone == pytest.approx(1 / 0.012, rel=0.05)
    assert crowd > 10 * alone
