"""The in-process runtime on real ONNX Runtime sessions, with models whose scores are known functions of the face."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from awarenet.cascade import Decisions, sigmoid
from awarenet.errors import (
    ConfigurationError,
    DeadlineExceeded,
    InvalidInput,
    ModelError,
    PolicyError,
    ServiceError,
    TensorError,
)
from awarenet.repository import ModelRepository, write_manifest
from awarenet.runtime import Runtime
from awarenet.runtime.engines import OnnxRuntime
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import EFFICIENTNET, FACE, FEATURES, MAX_BATCH, ExitStage
from tests import tiny_repository as tiny

COLOURS = (tiny.SURELY_REAL, tiny.SURELY_FAKE, tiny.DOUBTFUL_REAL, tiny.DOUBTFUL_FAKE)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("inprocess") / "repository")


@pytest.fixture(scope="module")
def runtime(repository: Path) -> InProcessRuntime:
    return InProcessRuntime(repository)


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    return shutil.copytree(repository, tmp_path / "copy")


def logit_of(decisions: Decisions, feature: str) -> NDArray[np.float32]:
    return decisions.evidence[:, FEATURES.index(feature)]


def rows(decisions: Decisions, part: slice | NDArray[np.int64]) -> tuple[NDArray[np.generic], ...]:
    return decisions.probability[part], decisions.exit_stage[part], decisions.evidence[part]


def assert_equal(left: tuple[NDArray[np.generic], ...], right: tuple[NDArray[np.generic], ...]) -> None:
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_is_a_runtime(runtime: InProcessRuntime) -> None:
    held: Runtime = runtime
    assert held.policy.data == "painted faces"


def test_known_faces_exit_where_they_must_with_the_polarity_of_the_label_convention(runtime: InProcessRuntime) -> None:
    decisions = runtime.score(tiny.paint(*COLOURS), np.float32([90, np.nan, 300, 400]))
    assert decisions.exit_stage.tolist() == [
        ExitStage.FAST_FILTER,
        ExitStage.FAST_FILTER,
        ExitStage.META_MODEL,
        ExitStage.META_MODEL,
    ]
    real, fake, doubtful_real, doubtful_fake = decisions.probability
    assert real < 0.01 < doubtful_real < 0.2 < 0.8 < doubtful_fake < fake
    assert logit_of(decisions, "fast_filter_logit").tolist() == [-16, 15.75, 0, 0]
    assert logit_of(decisions, "efficientnet_logit")[2:].tolist() == [-5.5, 5.125]
    assert logit_of(decisions, "genconvit_variational_logit")[2:].tolist() == [-2.75, 2.5625]
    assert logit_of(decisions, "face_px")[2:].tolist() == [300, 400]
    assert np.isnan(decisions.evidence[:2, 1:]).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=6), st.integers(1, 60))
def test_a_redder_face_is_never_less_fake_to_the_fast_filter(
    runtime: InProcessRuntime, reds: list[int], rise: int
) -> None:
    before = runtime.score(tiny.paint(*((red, 128, 128) for red in reds)))
    after = runtime.score(tiny.paint(*((min(255, red + rise), 128, 128) for red in reds)))
    first, raised = logit_of(before, "fast_filter_logit"), logit_of(after, "fast_filter_logit")
    assert np.all(raised >= first)
    early = before.exit_stage == ExitStage.FAST_FILTER
    np.testing.assert_array_equal(before.probability[early], sigmoid(first[early]))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(COLOURS), max_size=12), st.sampled_from(["cascade", "full"]))
def test_a_batch_gives_what_its_faces_give_one_by_one(
    runtime: InProcessRuntime, colours: list[tuple[int, int, int]], route: str
) -> None:
    faces = tiny.paint(*colours) if colours else np.empty((0, 256, 256, 3), np.uint8)
    together = runtime.score(faces, route=route)  # type: ignore[arg-type]
    assert len(together.probability) == len(colours)
    for row in range(len(colours)):
        alone = runtime.score(faces[row : row + 1], route=route)  # type: ignore[arg-type]
        assert_equal(rows(together, slice(row, row + 1)), rows(alone, slice(None)))


def test_long_batches_are_split_and_keep_their_order(runtime: InProcessRuntime) -> None:
    kinds = np.random.default_rng(7).integers(0, len(COLOURS), 2 * MAX_BATCH + 5)
    one_each = runtime.score(tiny.paint(*COLOURS))
    long = runtime.score(tiny.paint(*(COLOURS[kind] for kind in kinds)))
    assert_equal(rows(long, slice(None)), rows(one_each, kinds))


def test_no_faces_give_no_decisions(runtime: InProcessRuntime) -> None:
    decisions = runtime.score(np.empty((0, 256, 256, 3), np.uint8), np.empty(0, np.float32))
    assert decisions.probability.shape == (0,)
    assert decisions.evidence.shape == (0, len(FEATURES))


def test_full_and_cascade_agree_on_whatever_reaches_the_end(runtime: InProcessRuntime) -> None:
    faces = tiny.paint(*COLOURS)
    short, long = runtime.score(faces), runtime.score(faces, route="full")
    assert (long.exit_stage == ExitStage.META_MODEL).all()
    assert_equal(rows(short, slice(2, None)), rows(long, slice(2, None)))


def test_two_threads_give_the_same_numbers(repository: Path, runtime: InProcessRuntime) -> None:
    parallel = InProcessRuntime(repository, threads=2)
    faces = tiny.paint(*COLOURS)
    assert_equal(rows(parallel.score(faces), slice(None)), rows(runtime.score(faces), slice(None)))
    parallel.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("awarenet-stage")]


def test_callers_on_several_threads_get_their_own_answers(runtime: InProcessRuntime) -> None:
    expected = runtime.score(tiny.paint(*COLOURS))
    order = [number % len(COLOURS) for number in range(32)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda kind: runtime.score(tiny.paint(COLOURS[kind])), order))
    for kind, answer in zip(order, answers, strict=True):
        assert_equal(rows(answer, slice(None)), rows(expected, slice(kind, kind + 1)))


@pytest.mark.parametrize(
    ("faces", "face_px", "words"),
    [
        (np.zeros((1, 256, 256, 3), np.float32), None, "face: expected uint8"),
        (np.zeros((1, 128, 128, 3), np.uint8), None, "face: expected uint8"),
        (np.zeros((1, 256, 256, 3), np.uint8), np.ones(2, np.float32), "face_px: expected float32"),
        (np.zeros((1, 256, 256, 3), np.uint8), np.zeros(1, np.float32), "face_px: expected sizes"),
    ],
)
def test_tensors_that_break_the_contract_are_refused(
    runtime: InProcessRuntime, faces: NDArray[np.uint8], face_px: NDArray[np.float32] | None, words: str
) -> None:
    with pytest.raises(TensorError, match=words):
        runtime.score(faces, face_px)


def test_an_unknown_route_and_a_thread_count_of_zero_are_refused(repository: Path, runtime: InProcessRuntime) -> None:
    with pytest.raises(InvalidInput, match="cascade, full"):
        runtime.score(tiny.paint(tiny.SURELY_REAL), route="fast")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="threads"):
        InProcessRuntime(repository, threads=0)


def test_a_value_that_is_not_a_number_names_its_stage(runtime: InProcessRuntime) -> None:
    with pytest.raises(ServiceError, match="efficientnet: logit is not finite"):
        runtime.score(tiny.paint(tiny.BROKEN))
    assert runtime.score(tiny.paint(tiny.SURELY_REAL)).probability[0] < 0.01  # and the runtime lives on


def test_the_deadline_is_looked_at_between_stages(runtime: InProcessRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeadlineExceeded, match="fast_filter"):
        runtime.score(tiny.paint(tiny.SURELY_REAL), timeout_s=0)
    ticks = iter([0.0, 0.5, 1.5])
    monkeypatch.setattr("awarenet.runtime.inprocess.monotonic", lambda: next(ticks))
    with pytest.raises(DeadlineExceeded, match="efficientnet and genconvit"):
        runtime.score(tiny.paint(tiny.DOUBTFUL_REAL), timeout_s=1)
    ticks = iter([0.0, 0.5, 1.5])
    with pytest.raises(DeadlineExceeded, match="before the answer"):
        runtime.score(tiny.paint(tiny.SURELY_REAL), timeout_s=1)


def test_closing_is_idempotent_and_final(repository: Path) -> None:
    closed = InProcessRuntime(ModelRepository.open(repository))
    closed.close()
    closed.close()
    with pytest.raises(ServiceError, match="closed"):
        closed.score(tiny.paint(tiny.SURELY_REAL))


def test_a_tampered_repository_does_not_load(copy: Path) -> None:
    path = copy / "genconvit" / "1" / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"genconvit/1/model\.onnx was changed"):
        InProcessRuntime(copy)


def test_models_that_the_policy_was_not_made_for_do_not_load_even_when_signed(copy: Path) -> None:
    policy = ModelRepository.open(copy).policy
    shutil.copy(copy / "fast_filter" / "1" / "model.onnx", copy / "efficientnet" / "1" / "model.onnx")
    write_manifest(copy, policy)
    with pytest.raises(PolicyError, match="efficientnet"):
        InProcessRuntime(copy)


def replaced(copy: Path, stage_file: Path) -> ModelRepository:
    """The repository as if it had been verified, so that the runtime's own check is what refuses."""
    opened = ModelRepository.open(copy)
    path = opened.model_path(EFFICIENTNET)
    shutil.copy(stage_file, path)
    return opened


def test_a_file_that_is_no_model_is_named(copy: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"not a graph")
    with pytest.raises(ModelError, match="efficientnet: ONNX Runtime cannot load"):
        InProcessRuntime(replaced(copy, junk))


def test_a_model_with_other_tensors_is_refused_before_it_runs(copy: Path, tmp_path: Path) -> None:
    shape = ["batch", *FACE.shape]
    graph = helper.make_graph(
        [helper.make_node("Identity", [FACE.name], ["logit"])],
        "wrong",
        [helper.make_tensor_value_info(FACE.name, TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("logit", TensorProto.UINT8, shape)],
    )
    path = tmp_path / "wrong.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    with pytest.raises(ModelError, match=r"efficientnet: .* the contract is"):
        InProcessRuntime(replaced(copy, path))


@pytest.mark.parametrize("providers", [("NoSuchProvider", "CPUExecutionProvider"), ()])
def test_a_provider_that_is_not_there_is_told_and_not_silently_replaced(
    repository: Path, providers: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError, match=r"available: .*CPUExecutionProvider"):
        InProcessRuntime(repository, engine=OnnxRuntime(providers))
