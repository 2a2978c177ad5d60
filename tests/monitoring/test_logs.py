"""Logs and traces: what the service writes is what the shipped configurations of collector and Loki expect."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from awarenet.log import configure
from awarenet.runtime.server import TritonServer
from tests.gateway import Gateway, running
from tests.monitoring.promql import MONITORING
from tests.serving import eventually

DAYS = {"debug": 7, "info": 30, "warning": 30, "error": 365, "critical": 365}


def load(name: str) -> Any:
    return yaml.safe_load((MONITORING / name).read_text(encoding="utf-8"))


def kept_for_days(level: str) -> float:
    """What Loki does with a stream: the fitting selector of the highest priority, or the period for all."""
    limits = load("loki.yaml")["limits_config"]
    fitting = []
    for stream in limits["retention_stream"]:
        name, operator, pattern = re.fullmatch(r'\{(\w+)(=~?)"([^"]*)"\}', stream["selector"]).groups()  # type: ignore[union-attr]
        assert name == "level"
        if re.fullmatch(pattern if operator == "=~" else re.escape(pattern), level):
            fitting.append((stream["priority"], stream["period"]))
    period = max(fitting)[1] if fitting else limits["retention_period"]
    return int(period.removesuffix("h")) / 24


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """A line of each level, as the service writes it."""
    before = structlog.get_config()
    configure("debug", json=True)
    for level in DAYS:
        getattr(structlog.get_logger("test"), level)("something", request_id="a1")
    structlog.configure(**before)
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_every_level_is_kept_as_long_as_it_should_be(lines: list[dict[str, Any]]) -> None:
    assert {line["level"]: kept_for_days(line["level"]) for line in lines} == DAYS
    loki = load("loki.yaml")
    assert loki["compactor"]["retention_enabled"], "without it nothing is ever deleted"
    (config,) = loki["limits_config"]["otlp_config"]["resource_attributes"]["attributes_config"]
    assert "level" in config["attributes"] and "request_id" not in config["attributes"]


def test_the_collector_understands_lines_of_the_service(lines: list[dict[str, Any]]) -> None:
    operators = {operator.get("id", operator["type"]): operator for operator in load("collector.yaml")["receivers"]["filelog"]["operators"]}  # fmt: skip  # noqa: E501
    assert set(operators["level"]["mapping"].values()) == set(DAYS)
    layout = operators["json"]["timestamp"]["layout"]
    python = layout.replace("2006-01-02T15:04:05", "%Y-%m-%dT%H:%M:%S").replace(".999999", ".%f")
    for line in lines:
        assert datetime.strptime(line["timestamp"], python)
        assert operators["level"]["parse_from"] == "attributes.level" and line["level"] in DAYS
    triton = 'E1125 13:53:12.987733 25706 server.cc:241] "CudaDriverHelper has not been initialized."'
    route = next(route for route in operators["router"]["routes"] if route["output"] == "triton")
    assert re.search(re.search(r'matches "(.*)"', route["expr"])[1], triton)  # type: ignore[index]
    assert re.match(operators["triton"]["regex"], triton)["letter"] == "E"  # type: ignore[index]


def test_every_part_of_the_collector_is_used_and_every_used_part_is_there() -> None:
    loaded = load("collector.yaml")
    pipelines = loaded["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert {name for pipeline in pipelines for name in pipeline[kind]} == set(loaded[kind])
    assert set(loaded["service"]["extensions"]) == set(loaded["extensions"])
    for pipeline in pipelines:
        assert pipeline["processors"][0] == "memory_limiter" and pipeline["processors"][-1] == "batch"
    outputs = load("collector.yaml")["receivers"]["filelog"]["operators"]
    named = {operator["id"] for operator in outputs if "id" in operator}
    used = {operator["output"] for operator in outputs if "output" in operator}
    used |= {route["output"] for operator in outputs for route in operator.get("routes", [])}
    used |= {operator["default"] for operator in outputs if "default" in operator}
    assert used == named


def test_a_tenth_of_the_traces_is_kept_and_all_that_failed() -> None:
    policies = {policy["type"]: policy for policy in load("collector.yaml")["processors"]["tail_sampling"]["policies"]}
    assert set(policies) == {"status_code", "numeric_attribute", "probabilistic"}
    assert policies["status_code"]["status_code"]["status_codes"] == ["ERROR"]
    assert policies["probabilistic"]["probabilistic"]["sampling_percentage"] == 10
    bounds = policies["numeric_attribute"]["numeric_attribute"]
    assert (bounds["min_value"], bounds["max_value"]) == (500, 599)


@pytest.fixture(scope="module")
def gateway(
    triton_server: TritonServer, tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with running(triton_server.grpc_url, tiny_repository, tmp_path_factory.mktemp("gateway") / "state") as started:
        yield started


@pytest.mark.parametrize("given", ["order-4711", None])
def test_one_id_is_in_the_answer_the_problem_the_log_and_the_audit_log(gateway: Gateway, given: str | None) -> None:
    with gateway.client() as client:
        headers = {} if given is None else {"X-Request-Id": given}
        answer = client.post("/v1/detect", content=b"no picture", headers=headers)
    name = answer.headers["x-request-id"]
    assert given in (None, name) and answer.json()["instance"].endswith(name)

    def logged() -> list[dict[str, Any]]:
        parsed = [json.loads(line) for line in list(gateway.log) if line.startswith("{")]
        return [line for line in parsed if line.get("request_id") == name]

    assert eventually(lambda: any(line["event"] == "answered" for line in logged())), gateway.log
    assert all({"level", "timestamp", "event"} <= line.keys() for line in logged())

    def audited() -> str:
        return "".join(
            path.read_text("utf-8", "replace") for path in (gateway.state / "audit").rglob("*") if path.is_file()
        )

    assert eventually(lambda: name in audited())
