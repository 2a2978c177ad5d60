"""Faults on a real Triton: overload, deadlines, callers that leave, and processes that are killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from awarenet.runtime.server import TritonServer
from tests import tiny_repository as tiny
from tests.serving import Answers, ask, connect, eventually, frozen, metric, stubs

FACE = tiny.paint(tiny.DOUBTFUL_FAKE)
UNANSWERED = 10.0
"""Seconds after which the service must answer again, whatever was killed."""


@pytest.fixture(scope="module")
def client(triton_server: TritonServer) -> Iterator[grpcclient.InferenceServerClient]:
    with connect(triton_server) as connected:
        yield connected


def test_a_full_queue_refuses_the_rest_and_answers_what_it_took(
    triton_server: TritonServer, client: grpcclient.InferenceServerClient
) -> None:
    config = client.get_model_config("cascade").config
    room = config.dynamic_batching.default_queue_policy.max_queue_size
    # Beside the queue, each instance holds one batch, and one more is formed for it ahead.
    held = 2 * sum(group.count for group in config.instance_group) * config.max_batch_size
    answers = Answers()
    face = tiny.paint(tiny.SURELY_FAKE)
    with frozen(triton_server, "cascade"):
        sent = 0
        while sent < room + held + 20:
            answers.send(client, face)
            sent += 1
        assert eventually(lambda: answers.count >= 20)
    results = answers.wait()
    refused = [result for result in results if isinstance(result, Exception)]
    assert 20 <= len(refused) <= held + 20
    assert {error.status() for error in refused} == {"StatusCode.UNAVAILABLE"}
    assert all(result.as_numpy("exit_stage")[0, 0] == 1 for result in results if not isinstance(result, Exception))
    assert ask(client, FACE).as_numpy("exit_stage")[0, 0] == 3


def test_a_deadline_that_passes_in_the_queue(
    triton_server: TritonServer, client: grpcclient.InferenceServerClient
) -> None:
    answers = Answers()
    with frozen(triton_server, "cascade"):
        for _ in range(150):  # More than the instances hold, so that the last ones wait in the queue.
            answers.send(client, tiny.paint(tiny.SURELY_FAKE), timeout=300_000)
        time.sleep(0.5)
    late = [result for result in answers.wait() if isinstance(result, Exception)]
    assert late
    assert {error.status() for error in late} == {"StatusCode.UNAVAILABLE"}


def test_a_deadline_that_passes_between_two_stages(
    triton_server: TritonServer, client: grpcclient.InferenceServerClient
) -> None:
    answers = Answers()
    heavy = metric(triton_server, "nv_inference_count", model="efficientnet")
    with frozen(triton_server, "fast_filter"):
        answers.send(client, FACE, timeout=300_000)
        time.sleep(0.5)
    (late,) = answers.wait()
    assert late.status() == "StatusCode.UNAVAILABLE"
    assert "deadline exceeded" in late.message() or "timeout expired" in late.message()
    assert metric(triton_server, "nv_inference_count", model="efficientnet") - heavy <= 1  # A health question, at most.


def test_a_caller_that_leaves_spends_no_heavy_stage(
    triton_server: TritonServer, client: grpcclient.InferenceServerClient
) -> None:
    answers = Answers()
    heavy = metric(triton_server, "nv_inference_count", model="efficientnet")
    light = metric(triton_server, "nv_inference_count", model="fast_filter")
    cancelled = metric(triton_server, "awarenet_failures", reason="cancelled")
    with frozen(triton_server, "fast_filter"):
        calls = [answers.send(client, tiny.paint(*[tiny.DOUBTFUL_FAKE] * 4)) for _ in range(2)]
        time.sleep(0.3)
        for call in calls:
            call.cancel()
        time.sleep(0.2)
    assert all("cancel" in str(error).lower() for error in answers.wait())
    assert eventually(lambda: metric(triton_server, "awarenet_failures", reason="cancelled") == cancelled + 2)
    assert metric(triton_server, "nv_inference_count", model="fast_filter") - light >= 8
    # Eight doubtful faces, and perhaps a health question beside them.
    assert metric(triton_server, "nv_inference_count", model="efficientnet") - heavy <= 1


def test_a_caller_that_disconnects_harms_nobody(triton_server: TritonServer) -> None:
    with connect(triton_server) as leaving, connect(triton_server) as staying:
        lost, kept = Answers(), Answers()
        with frozen(triton_server, "cascade"):
            for _ in range(10):
                lost.send(leaving, FACE)
                kept.send(staying, FACE)
            leaving.close()
        assert all(result.as_numpy("exit_stage")[0, 0] == 3 for result in kept.wait())


@pytest.fixture(scope="module")
def victim(tiny_repository: Path) -> Iterator[TritonServer]:
    """A server to be hurt."""
    with TritonServer(tiny_repository, drain_timeout_s=2) as server:
        yield server


def _answers_again(server: TritonServer, since: float) -> bool:
    """Whether the server answers within the promised time, several times in a row."""
    right = 0
    with connect(server) as client:
        while right < 5 and time.monotonic() - since < UNANSWERED:
            try:
                right = right + 1 if ask(client, FACE, client_timeout=2).as_numpy("exit_stage")[0, 0] == 3 else 0
            except InferenceServerException:
                right = 0
                time.sleep(0.1)
    return right == 5


@pytest.mark.parametrize("model", ["cascade", "fast_filter", "genconvit", "meta_model"])
def test_a_killed_stub_is_replaced_and_only_requests_under_way_fail(victim: TritonServer, model: str) -> None:
    server = victim.pid
    with connect(victim) as client:
        answers = Answers()
        answers.send(client, tiny.paint(tiny.SLOW))
        time.sleep(0.2)
        for stub in stubs(victim, model):
            stub.kill()
        killed = time.monotonic()
        assert _answers_again(victim, killed)
        assert stubs(victim, model)
        assert victim.pid == server, "the whole server was started anew for one model"
        (result,) = answers.wait()
        assert not isinstance(result, Exception) or "healthy" in str(result)


def test_a_killed_triton_is_replaced_at_the_same_address(victim: TritonServer) -> None:
    before = victim.pid
    os.kill(before, signal.SIGKILL)
    killed = time.monotonic()
    assert _answers_again(victim, killed)
    assert victim.pid != before
    assert len(stubs(victim, "fast_filter")) == 1
