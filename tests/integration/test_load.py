"""The drivers of the load tests on a real gateway over a real Triton, for a few seconds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from awarenet.errors import ServiceError
from awarenet.runtime.server import TritonServer
from loadtests import clients
from loadtests.capacity import demands
from loadtests.capacity.model import simulate
from loadtests.corpus import Corpus
from loadtests.mix import Mix, Source
from loadtests.open_loop import offer
from loadtests.sender import open_session
from loadtests.service import Footprint, Service, running
from loadtests.tally import Tally
from loadtests.users.environment import Told
from loadtests.users.faces import save_faces
from loadtests.users.swarm import swarm

SIMPLE = Mix({"empty": 0.2, "settled": 0.3, "doubtful": 0.3, "several": 0.2}, repeats=0.5)


@pytest.fixture(scope="module")
def corpus(tiny_repository: Path) -> Corpus:
    return Corpus.build(tiny_repository, portraits=6, engine="hog")


@pytest.fixture(scope="module")
def service(triton_server: TritonServer, tiny_repository: Path) -> Iterator[Service]:
    triton = triton_server.grpc_url, triton_server.pid
    patience = {"picture_timeout_s": 50, "frame_timeout_s": 50}  # A slow machine is no failure.
    with running(tiny_repository, triton=triton, workers=1, queue=1, face_engine="hog", **patience) as started:
        yield started


async def test_a_crowd_is_answered_or_refused_and_nothing_else(service: Service, corpus: Corpus) -> None:
    plan = clients.Plan(clients=50, seconds=5, ramp_s=2, think_s=1, mix=SIMPLE)
    result = await clients.run(service, corpus, plan)
    assert clients.sound(result), (result["errors_by_kind"], result["wrong_by_kind"])
    assert result["clients"] == 50 and result["connections_at_once"] > 50
    assert result["answered"] + result["refused_503"] == result["requests"] > 50
    assert result["answered"] > 0 and result["p95_accepted_ms"] > 0


async def test_a_wrong_verdict_is_noticed(service: Service, corpus: Corpus) -> None:
    other = {"fake": "real"}
    wrong = Corpus(replace(known, word=other.get(known.word, "fake")) for known in corpus.known)
    with pytest.raises(ServiceError, match="without load"):
        await clients.confirm(service, wrong)
    tally = Tally()
    async with open_session(service) as session:
        source = Source(wrong, SIMPLE, random.Random(1), number=1 << 60)
        await offer(session, service, source, 4, 3, random.Random(2), tally)
    assert sum(tally.wrong.values()) == tally.answered > 0


async def test_what_parts_cost_is_measured_and_can_be_simulated(service: Service, corpus: Corpus) -> None:
    found = await demands.measure(service, corpus, replace(SIMPLE, repeats=0.0), 6)
    assert demands.Demands.from_dict(found.to_dict()) == found
    assert found.mean("workers") > 0 and found.mean("gateway") > 0
    outcome = simulate(found.host(1, 1), found.pictures(), 1.0, 200)
    assert outcome.answered > 50


def test_what_the_service_uses_is_seen(service: Service) -> None:
    seen = Footprint.of(service)
    assert 10 < seen.rss_mb < seen.tree_mb and seen.descriptors > 10 and seen.shared_mb >= 0


def test_users_of_every_protocol_find_no_fault(
    service: Service, corpus: Corpus, tiny_repository: Path, tmp_path: Path
) -> None:
    corpus.save(tmp_path)
    save_faces(corpus, tiny_repository, tmp_path, engine="hog")
    told = Told(service.url, service.key, service.grpc_url, tmp_path, "overload", 5, 12.0, 1.0, 0.5)
    assert swarm(told, ["Rest", "Stream", "Cascade"], 2, tmp_path / "users.html") == 0
    report = (tmp_path / "users.html").read_text(encoding="utf-8")
    assert "/v1/detect" in report and "cascade" in report
