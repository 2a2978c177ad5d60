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
from tests.serving import PATIENT, Answers, ask, connect, eventually, metric, occupied, shared_face, stubs

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
    # Triton takes a batch out of the queue for each instance, ahead of its turn.
    ahead = sum(group.count for group in config.instance_group) * config.max_batch_size
    answers = Answers()
    with occupied(triton_server), shared_face(client, tiny.paint(tiny.SURELY_FAKE)) as face:
        for _ in range(room + ahead + 20):
            answers.send(client, face, timeout=PATIENT)
        assert eventually(lambda: answers.count >= 20)
        results = answers.wait()
    refused = [result for result in results if isinstance(result, Exception)]
    assert len(refused) >= 20
    assert {error.status() for error in refused} == {"StatusCode.UNAVAILABLE"}
    assert all(result.as_numpy("exit_stage")[0, 0] == 1 for result in results if not isinstance(result, Exception))
    assert ask(client, FACE).as_numpy("exit_stage")[0, 0] == 3


def test_a_deadline_that_passes_in_the_queue(
    triton_server: TritonServer, client: grpcclient.InferenceServerClient
) -> None:
    answers = Answers()
    with occupied(triton_server):
        for _ in range(5):
            answers.send(client, FACE, timeout=50_000)
        late = answers.wait()
    assert {error.status() for error in late} == {"StatusCode.UNAVAILABLE"}
    assert all("timeout expired" in error.message() for error in late)


def test_a_deadline_that_passes_between_two_stages(
    triton_server: TritonServer, client: grpcclient.InferenceServerClient
) -> None:
    heavy = metric(triton_server, "nv_inference_count", model="efficientnet")
    with pytest.raises(InferenceServerException, match="deadline exceeded") as late:
        ask(client, tiny.paint(*[tiny.SLOW_AT_FIRST] * 4), timeout=300_000, parameters={"route": "full"})
    assert late.value.status() == "StatusCode.UNAVAILABLE"
    # Health questions, at most.
    assert metric(triton_server, "nv_inference_count", model="efficientnet") - heavy < 4


def test_a_caller_that_leaves_spends_no_heavy_stage(
    triton_server: TritonServer, client: grpcclient.InferenceServerClient
) -> None:
    answers = Answers()
    heavy = metric(triton_server, "nv_inference_count", model="efficientnet")
    cancelled = metric(triton_server, "awarenet_failures", reason="cancelled")
    call = answers.send(client, tiny.paint(*[tiny.SLOW_AT_FIRST] * 4), parameters={"route": "full"})
    time.sleep(0.5)  # It is in the first stage now, or at least in the server.
    call.cancel()
    assert all("cancel" in str(error).lower() for error in answers.wait())
    assert eventually(lambda: metric(triton_server, "awarenet_failures", reason="cancelled") == cancelled + 1)
    # Four faces for the heavy stages were left out; health questions are not.
    assert metric(triton_server, "nv_inference_count", model="efficientnet") - heavy < 4


def test_a_caller_that_disconnects_harms_nobody(triton_server: TritonServer) -> None:
    with connect(triton_server) as leaving, connect(triton_server) as staying:
        lost, kept = Answers(), Answers()
        with occupied(triton_server):
            for _ in range(10):
                lost.send(leaving, FACE, timeout=PATIENT)
                kept.send(staying, FACE, timeout=PATIENT)
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


def _is_back(server: TritonServer, model: str, since: float) -> bool:
    """Whether the model has a process again within the promised time; the router answers without `meta_model`'s."""
    while not stubs(server, model) and time.monotonic() - since < UNANSWERED:
        time.sleep(0.1)
    return bool(stubs(server, model))


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
        assert _is_back(victim, model, killed)
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
