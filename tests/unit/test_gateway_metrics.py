"""What the gateway counts: exact values of the exposition, after known events."""

from __future__ import annotations

import asyncio
import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from awarenet.errors import AwareNetError, Unavailable
from awarenet.policy import Leakage, Policy
from gateway.leakage import LeakageCheck
from gateway.lifecycle import Lifecycle
from gateway.metrics import Metrics
from gateway.models import Models
from gateway.readiness import Readiness
from gateway.uploads import Upload
from gateway.workers import WorkerPool

POLICY = Policy(0.1, 0.9, 0.5, 0.05, Leakage(0.01, 300, 0, 0.01, 300, 200), "painted faces", {})
MODELS = cast(Models, SimpleNamespace(policy=POLICY))


class Pool:
    """Stands for the workers: gives one answer to everything, and notes the routes that it was asked for."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.pids = {1}
        self.size, self.waiting, self.running, self.answered = 1, 0, 0, 0
        self.routes: list[str] = []

    async def run(self, task: Any, media: int, **options: Any) -> Any:
        os.fstat(media)  # It is open.
        self.routes.append(task.route)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"awarenet_gateway_{name}", labels)


def face(probability: float, fast_logit: float = 0.0) -> dict[str, Any]:
    return {"probability": probability, "exit_stage": 3, "evidence": {"fast_filter_logit": fast_logit}}


def verdict(*faces: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": "real", "timings_ms": {}, "faces": list(faces), "policy_version": POLICY.version}


def test_latency_is_told_apart_by_what_was_answered() -> None:
    metrics = Metrics()
    metrics.answered("POST", "/v1/detect", 200, 0.4)
    metrics.answered("POST", "/v1/detect", 503, 0.001)
    labels = {"route": "/v1/detect", "status_class": "2xx"}
    assert value(metrics, "request_seconds_count", **labels) == 1
    assert value(metrics, "request_seconds_bucket", **labels, le="0.5") == 1
    assert value(metrics, "request_seconds_bucket", **labels, le="0.2") == 0
    assert value(metrics, "requests_total", method="POST", route="/v1/detect", status="503") == 1


@pytest.mark.parametrize(
    ("probability", "bucket"),
    [(0.0, "0.0-0.1"), (0.0999, "0.0-0.1"), (0.1, "0.1-0.2"), (0.95, "0.9-1.0"), (1, "0.9-1.0")],
)
def test_every_score_falls_into_one_bucket(probability: float, bucket: str) -> None:
    metrics = Metrics()
    metrics.scored(verdict(face(probability)))
    counts = [sample.value for family in metrics.registry.collect() for sample in family.samples
              if sample.name == "awarenet_gateway_scores_total"]  # fmt: skip
    assert len(counts) == 10 and sum(counts) == 1
    assert value(metrics, "scores_total", bucket=bucket) == 1


def test_what_can_alarm_is_there_before_it_happens() -> None:
    """Prometheus sees no increase where a series is born with its first event."""
    metrics = Metrics()
    for result in ("right", "wrong", "unanswered", "busy"):
        assert value(metrics, "golden_total", result=result) == 0
    assert value(metrics, "leakage_check_total", fast_filter="real", full="fake") == 0


def test_space_is_read_at_each_scrape_and_a_lost_folder_spoils_nothing_else(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.watch_space("state", "the state folder", tmp_path)
    metrics.watch_space("gone", "a folder that is not there", tmp_path / "gone")
    status = os.statvfs(tmp_path)
    assert value(metrics, "state_size_bytes") == status.f_blocks * status.f_frsize
    assert 0 < cast(float, value(metrics, "state_free_bytes")) <= status.f_blocks * status.f_frsize
    assert math.isnan(cast(float, value(metrics, "gone_free_bytes")))
    assert b"awarenet_gateway_gone_free_bytes NaN" in metrics.text()


async def ask(metrics: Metrics, readiness: Readiness) -> bool:
    readiness._asked = -math.inf
    try:
        await readiness.check()
    except AwareNetError:
        return False
    return True


async def test_every_golden_question_is_counted_by_what_came_of_it(tmp_path: Path) -> None:
    answer = {"evidence": np.zeros((1, 8)).tolist(), "probability": [0.5], "model_version": POLICY.model_version}
    metrics, pool = Metrics(), Pool(answer)
    lifecycle = Lifecycle(10)
    readiness = Readiness(cast(WorkerPool, pool), MODELS, lifecycle, tmp_path, 1e-3, metrics)
    assert await ask(metrics, readiness)  # No models here: the first answer is what later ones are held against.
    pool.answer = {**answer, "evidence": np.ones((1, 8)).tolist()}
    assert not await ask(metrics, readiness)
    pool.answer = Unavailable("no")
    assert not await ask(metrics, readiness)
    pool.pids = set()
    assert not await ask(metrics, readiness)
    counts = {
        result: value(metrics, "golden_total", result=result) for result in ("right", "wrong", "unanswered", "busy")
    }
    assert counts == {"right": 1, "wrong": 1, "unanswered": 2, "busy": 0}


@pytest.fixture
def upload() -> Any:
    upload = Upload(os.memfd_create("picture"), 1, "0" * 64, "picture.png")
    yield upload
    upload.close()


async def test_the_leakage_check_counts_what_the_fast_filter_would_have_let_through(upload: Upload) -> None:
    metrics = Metrics()
    faces = (face(0.9, -5.0), face(0.2, -5.0), face(0.9, 0.0), face(0.9, 5.0), face(0.1, -1e4))
    pool = Pool({"verdict": verdict(*faces)})
    check = LeakageCheck(cast(WorkerPool, pool), MODELS, metrics, 1.0, 5.0)
    check.offer(upload.descriptor, verdict())
    await asyncio.gather(*check._looks)
    assert pool.routes == ["full"]
    assert value(metrics, "leakage_check_total", fast_filter="real", full="fake") == 1
    assert value(metrics, "leakage_check_total", fast_filter="real", full="real") == 2
    assert value(metrics, "leakage_check_total", fast_filter="doubtful", full="fake") == 1
    assert value(metrics, "leakage_check_total", fast_filter="fake", full="fake") == 1
    check.count({**verdict(face(0.9, -5.0)), "policy_version": "another"})
    assert value(metrics, "leakage_check_total", fast_filter="real", full="fake") == 1


async def test_the_leakage_check_stays_out_of_the_way(upload: Upload) -> None:
    metrics, pool = Metrics(), Pool(Unavailable("no"))
    LeakageCheck(cast(WorkerPool, pool), MODELS, metrics, 0.0, 5.0).offer(upload.descriptor, verdict())
    check = LeakageCheck(cast(WorkerPool, pool), MODELS, metrics, 1.0, 5.0)
    pool.running = 1
    check.offer(upload.descriptor, verdict())
    pool.running, pool.waiting = 0, 1
    check.offer(upload.descriptor, verdict())
    assert not check._looks and not pool.routes
    pool.waiting = 0
    before = len(list(Path("/proc/self/fd").iterdir()))
    check.offer(upload.descriptor, verdict())
    await asyncio.gather(*check._looks)  # It fails, and nobody hears of it.
    assert pool.routes == ["full"] and len(list(Path("/proc/self/fd").iterdir())) == before
