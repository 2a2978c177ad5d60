"""The dashboards in earnest: a real Prometheus reads a real Triton and gateway, and every panel shows their traffic."""

from __future__ import annotations

import itertools
import json
import math
import statistics
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from monitoring import programs
from monitoring.observe import prometheus
from tests import samples
from tests.gateway import Gateway, running
from tests.monitoring.conftest import free_port
from tests.monitoring.promql import MONITORING, boards, queries
from tests.serving import eventually

BOARDS = boards()
PANELS = [
    pytest.param(title, expression, id=f"{name}-{title}")
    for name, board in BOARDS.items()
    if name != "gpu"  # Triton has no such figures without a GPU.
    for title, expression in queries(board)
]
FRESH_S = 5.0
RECORDED = "awarenet:queue:saturation"


class Asked:
    """A Prometheus that is asked over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def values(self, expression: str) -> list[float]:
        """What an expression is now, one number a series."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=30) as response:
            result: list[dict[str, Any]] = json.load(response)["data"]["result"]
        return [float(series["value"][1]) for series in result]


@contextmanager
def traffic(gateway: Gateway, folder: Path) -> Iterator[None]:
    """Pictures, new ones and repeats, one of them no picture, until the end of the block."""
    portrait, ended = samples.face(), threading.Event()

    def send() -> None:
        with gateway.client() as client:
            for number in itertools.count():
                if ended.is_set():
                    return
                # Moved, so that some faces are doubtful. Each picture comes twice and, by its comment, never again: an
                # answer from the cache moves no score.
                moved = np.roll(portrait, number // 2 % 50, axis=1)
                body = samples.save(folder / "picture.jpg", moved, comment=str(number // 2)).read_bytes()
                client.post("/v1/detect", content=b"no picture" if number % 7 == 6 else body)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()


@pytest.fixture(scope="module")
def asked(
    program: Callable[[programs.Program], Path], tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    """Prometheus as `make observe` starts it, beside a gateway with its own Triton and pictures on their way."""
    program("prometheus")
    folder = tmp_path_factory.mktemp("scrape")
    with ExitStack() as stack:
        gateway = stack.enter_context(running(None, tiny_repository, folder / "state", leakage_check_share=1.0))
        url = stack.enter_context(prometheus(folder / "state" / "targets.json", free_port(), free_port(), folder))
        stack.enter_context(traffic(gateway, folder))
        yield Asked(url)


@pytest.mark.parametrize(("title", "expression"), PANELS)
def test_every_panel_has_data_under_traffic(asked: Asked, title: str, expression: str) -> None:
    # The slowest are shares of growth that need two evaluations of a rule that needs two scrapes.
    assert eventually(lambda: any(math.isfinite(value) for value in asked.values(expression)), 60)


def test_what_is_shown_is_seconds_old(asked: Asked) -> None:
    assert eventually(lambda: len(asked.values("up == 1")) == 2 and asked.values(RECORDED), 60)
    ages = []
    for _ in range(8):
        ages.append(max(asked.values("time() - timestamp(up)") + asked.values(f"time() - timestamp({RECORDED})")))
        time.sleep(0.7)
    assert statistics.median(ages) < FRESH_S


def test_a_recorded_series_is_no_older_with_the_scrape_that_it_was_made_of() -> None:
    intervals = yaml.safe_load((MONITORING / "prometheus.yaml").read_text(encoding="utf-8"))["global"]
    seconds = [float(intervals[name].removesuffix("s")) for name in ("scrape_interval", "evaluation_interval")]
    assert sum(seconds) < FRESH_S


def test_triton_and_gateway_count_the_same_faces(asked: Asked) -> None:
    """Both ends of a picture's way are seen: what the gateway asked for is what the first stage computed."""

    def agree() -> bool:
        scored = asked.values("sum(rate(awarenet_gateway_exits_total[30s]))")
        computed = asked.values('sum(rate(nv_inference_count{model="fast_filter"}[30s]))')
        # Golden questions and the leakage check's second looks are computed as well.
        return bool(scored and computed) and 0 < scored[0] <= computed[0] * 1.2

    assert eventually(agree, 60)
