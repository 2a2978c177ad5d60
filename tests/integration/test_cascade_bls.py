"""The cascade inside a real Triton: decisions, batches, and requests that fail by themselves."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.runtime.server import TritonServer
from awarenet.stages import FEATURES
from tests import tiny_repository as tiny
from tests.serving import PATIENT, Answers, ask, connect, eventually, face_input, metric, occupied, pending


@pytest.fixture(scope="module")
def client(triton_server: TritonServer) -> Iterator[grpcclient.InferenceServerClient]:
    with connect(triton_server) as connected:
        yield connected


@pytest.fixture(scope="module")
def in_process(tiny_repository: Path) -> Iterator[InProcessRuntime]:
    runtime = InProcessRuntime(tiny_repository)
    yield runtime
    runtime.close()


MIXED = (tiny.SURELY_REAL, tiny.DOUBTFUL_FAKE, tiny.SURELY_FAKE, tiny.DOUBTFUL_REAL)


def test_the_colour_decides_where_a_face_exits(client: grpcclient.InferenceServerClient) -> None:
    result = ask(client, tiny.paint(*MIXED))
    assert result.as_numpy("exit_stage").tolist() == [[1], [3], [1], [3]]
    real, fake, surely_fake, doubtful_real = result.as_numpy("probability")[:, 0]
    assert real < 0.05 and doubtful_real < 0.5 < fake and surely_fake > 0.95
    evidence = result.as_numpy("evidence")
    assert np.isnan(evidence[[0, 2], 1:]).all()
    assert np.isfinite(evidence[[1, 3], :-1]).all()


def test_the_full_route_runs_every_stage(client: grpcclient.InferenceServerClient) -> None:
    result = ask(client, tiny.paint(*MIXED), parameters={"route": "full"})
    assert result.as_numpy("exit_stage").tolist() == [[3]] * 4
    assert np.isfinite(result.as_numpy("evidence")[:, :-1]).all()


@pytest.mark.parametrize("route", ["cascade", "full"])
def test_triton_and_in_process_agree(
    client: grpcclient.InferenceServerClient, in_process: InProcessRuntime, route: str
) -> None:
    random = np.random.default_rng(3)
    faces = np.concatenate([tiny.paint(*MIXED), random.integers(0, 256, (12, 256, 256, 3), np.uint8)])
    face_px = random.uniform(20, 400, (len(faces), 1)).astype(np.float32)
    face_px[5] = np.nan
    sides = grpcclient.InferInput("face_px", list(face_px.shape), "FP32")
    sides.set_data_from_numpy(face_px)
    served = client.infer("cascade", [face_input(faces), sides], parameters={"route": route})
    local = in_process.score(faces, face_px[:, 0], route=route)  # type: ignore[arg-type]
    np.testing.assert_allclose(served.as_numpy("probability")[:, 0], local.probability, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(served.as_numpy("exit_stage")[:, 0], local.exit_stage)
    np.testing.assert_allclose(served.as_numpy("evidence"), local.evidence, rtol=1e-5, atol=1e-5, equal_nan=True)


def test_a_batch_is_scored_as_its_faces_one_by_one(client: grpcclient.InferenceServerClient) -> None:
    faces = tiny.paint(*MIXED, *MIXED[::-1])
    whole = ask(client, faces)
    single = [ask(client, faces[row : row + 1]) for row in range(len(faces))]
    for name in ("probability", "exit_stage", "evidence"):
        np.testing.assert_array_equal(whole.as_numpy(name), np.concatenate([part.as_numpy(name) for part in single]))


def test_requests_batched_together_each_get_their_own_answer(
    triton_server: TritonServer, client: grpcclient.InferenceServerClient
) -> None:
    answers = Answers()
    with occupied(triton_server):
        executions = metric(triton_server, "nv_inference_exec_count", model="cascade")
        for colour in MIXED * 5:
            answers.send(client, tiny.paint(colour, colour), timeout=PATIENT)
        assert eventually(lambda: pending(triton_server) >= 10)
    results = answers.wait()
    batches = metric(triton_server, "nv_inference_exec_count", model="cascade") - executions
    assert batches < 20, "no two requests were run together"
    assert [result.as_numpy("exit_stage").tolist() for result in results] == [[[1]] * 2, [[3]] * 2] * 10
    for colour, result in zip(MIXED * 5, results, strict=True):
        np.testing.assert_array_equal(
            result.as_numpy("probability"), ask(client, tiny.paint(colour, colour)).as_numpy("probability")
        )


def test_many_callers_at_once_get_the_numbers_that_one_gets(
    client: grpcclient.InferenceServerClient, in_process: InProcessRuntime
) -> None:
    """Both heavy stages are asked from two threads of one process; what they share once corrupted pixels."""
    faces = np.random.default_rng(5).integers(0, 256, (40, 256, 256, 3), np.uint8)
    local = in_process.score(faces, route="full")
    answers = Answers()
    windows = [slice(start, start + 1 + start % 7) for start in range(33)] * 4
    for rows in windows:
        answers.send(client, faces[rows], timeout=PATIENT, parameters={"route": "full"})
    for rows, result in zip(windows, answers.wait(), strict=True):
        assert not isinstance(result, Exception), result
        np.testing.assert_allclose(
            result.as_numpy("evidence"), local.evidence[rows], rtol=1e-5, atol=1e-5, equal_nan=True
        )
        np.testing.assert_allclose(result.as_numpy("probability")[:, 0], local.probability[rows], rtol=0, atol=1e-6)


def test_bad_requests_do_not_spoil_good_ones_of_the_same_batch(
    triton_server: TritonServer, client: grpcclient.InferenceServerClient
) -> None:
    answers = Answers()
    with occupied(triton_server):
        for _ in range(4):
            answers.send(client, tiny.paint(tiny.SURELY_FAKE), timeout=PATIENT)
            answers.send(client, tiny.paint(tiny.SURELY_FAKE), timeout=PATIENT, parameters={"route": "shortcut"})
            answers.send(client, tiny.paint(tiny.DOUBTFUL_REAL, tiny.BROKEN), timeout=PATIENT)
            answers.send(client, tiny.paint(tiny.DOUBTFUL_REAL), timeout=PATIENT)
    got = answers.wait()
    for sure, unknown, broken, doubtful in zip(*[iter(got)] * 4, strict=True):
        assert sure.as_numpy("probability")[0, 0] > 0.95
        assert doubtful.as_numpy("exit_stage").tolist() == [[3]]
        assert unknown.status() == "StatusCode.INVALID_ARGUMENT" and "cascade, full" in unknown.message()
        assert broken.status() == "StatusCode.INTERNAL" and "efficientnet" in broken.message()


def test_a_stage_that_gives_no_number_gives_no_verdict(client: grpcclient.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="efficientnet: gave a value that is not a number"):
        ask(client, tiny.paint(tiny.BROKEN))


def test_face_px_reaches_the_evidence(client: grpcclient.InferenceServerClient) -> None:
    faces = tiny.paint(tiny.DOUBTFUL_FAKE, tiny.SURELY_REAL)
    sides = grpcclient.InferInput("face_px", [2, 1], "FP32")
    sides.set_data_from_numpy(np.array([[57.5], [31]], np.float32))
    evidence = client.infer("cascade", [face_input(faces), sides]).as_numpy("evidence")
    assert evidence[0, FEATURES.index("face_px")] == 57.5
    sides.set_data_from_numpy(np.array([[57.5], [-1]], np.float32))
    with pytest.raises(InferenceServerException, match="face_px"):
        client.infer("cascade", [face_input(faces), sides])


def test_the_largest_batch_passes_and_one_more_is_refused(client: grpcclient.InferenceServerClient) -> None:
    faces = tiny.paint(*[tiny.SURELY_FAKE] * 65)
    assert ask(client, faces[:64]).as_numpy("exit_stage").tolist() == [[1]] * 64
    with pytest.raises(InferenceServerException, match="64") as caught:
        ask(client, faces)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("picture", (1, 256, 256, 3), np.uint8),
        ("face", (1, 256, 256, 3), np.float32),
        ("face", (1, 224, 224, 3), np.uint8),
        ("face", (256, 256, 3), np.uint8),
        ("face", (0, 256, 256, 3), np.uint8),
    ],
)
@pytest.mark.parametrize("model", ["cascade", "fast_filter"])
def test_a_tensor_that_breaks_the_contract_is_refused(
    client: grpcclient.InferenceServerClient, model: str, name: str, shape: tuple[int, ...], dtype: type
) -> None:
    tensor = grpcclient.InferInput(name, list(shape), {np.uint8: "UINT8", np.float32: "FP32"}[dtype])
    tensor.set_data_from_numpy(np.zeros(shape, dtype))
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [tensor])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert ask(client, tiny.paint(tiny.SURELY_REAL)).as_numpy("probability")[0, 0] < 0.05


def test_the_stages_are_served_as_well(client: grpcclient.InferenceServerClient) -> None:
    logit = ask(client, tiny.paint(tiny.SURELY_FAKE), model="fast_filter").as_numpy("logit")
    assert logit.tolist() == [[15.75]]
    features = np.array([[0, 5.125, 5.125, 2.5625, 0.8, 0, 1, np.nan], [0, -6, -6, -3, 0.2, 0, 1, 80]], np.float32)
    tensor = grpcclient.InferInput("features", [2, 8], "FP32")
    tensor.set_data_from_numpy(features)
    fake, real = client.infer("meta_model", [tensor]).as_numpy("probability")[:, 0]
    assert real < 0.2 < 0.8 < fake


def test_metrics_count_every_face(triton_server: TritonServer, client: grpcclient.InferenceServerClient) -> None:
    def exits(stage: str, verdict: str) -> float:
        return metric(triton_server, "awarenet_exits", exit_stage=stage, verdict=verdict)

    kinds = (("1", "real"), ("1", "fake"), ("3", "fake"), ("3", "real"))
    time.sleep(1)  # Until the counts of earlier tests have been sent.
    before = [exits(*kind) for kind in kinds]
    scores = metric(triton_server, "awarenet_scores")
    runs = metric(triton_server, "awarenet_stage_latency_ms_count", stage="genconvit")
    ask(client, tiny.paint(tiny.SURELY_REAL, *MIXED))
    # The health question may count beside ours; it is decided by the full route.
    assert eventually(lambda: [exits(*kind) for kind in kinds[:2]] == [before[0] + 2, before[1] + 1])
    assert exits(*kinds[2]) >= before[2] + 1 and exits(*kinds[3]) >= before[3] + 1
    assert metric(triton_server, "awarenet_scores") >= scores + 5
    assert metric(triton_server, "awarenet_stage_latency_ms_count", stage="genconvit") >= runs + 1


def test_metrics_say_how_much_shared_memory_is_left(triton_server: TritonServer) -> None:
    status = os.statvfs("/dev/shm")
    assert eventually(lambda: metric(triton_server, "awarenet_shared_memory_bytes", kind="size") > 0)
    assert metric(triton_server, "awarenet_shared_memory_bytes", kind="size") == status.f_blocks * status.f_frsize
    assert metric(triton_server, "awarenet_shared_memory_bytes", kind="free") > 0
