"""Properties of the pure cascade, with stages that read their logits off the painted faces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from awarenet.cascade import Decisions, Floats, StageCall, StageOutputs, cascade, drive, sigmoid
from awarenet.policy import Leakage, Policy
from awarenet.stages import EFFICIENTNET, FAST_FILTER, FEATURES, GENCONVIT, NETWORKS, ExitStage, Stage

STAGE_2 = slice(FEATURES.index("efficientnet_logit"), len(FEATURES))
LOGIT_COLUMNS = slice(0, 4)


def policy(real_below: float = 0.2, fake_above: float = 0.8, decide_at: float | None = None) -> Policy:
    middle = (real_below + fake_above) / 2 if decide_at is None else decide_at
    return Policy(real_below, fake_above, middle, 0.0, Leakage(0.01, 300, 0, 0.01, 300, 200), "none", {})


def paint(logits: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Faces whose first pixels carry the four logits (tenths, shifted by 128), as `run` reads them.

    The contract's 256 x 256 is not needed by the pure cascade; 8 x 8 keeps the properties fast.
    """
    faces = np.full((len(logits), 8, 8, 3), 128, np.uint8)
    faces[:, 0, :4, 0] = np.clip(logits, -128, 127) + 128
    return faces


def read(faces: NDArray[np.uint8], column: int) -> Floats:
    return ((faces[:, 0, column, 0].astype(np.float32) - 128) / 10)[:, None]


def outputs(stage: Stage, faces: NDArray[np.uint8]) -> StageOutputs:
    if stage is GENCONVIT:
        logits = np.concatenate([read(faces, 2), read(faces, 3)], axis=1)
        return {"logit": logits, "residual": np.abs(read(faces, 2))}
    return {"logit": read(faces, 0 if stage is FAST_FILTER else 1)}


def run(call: StageCall) -> tuple[StageOutputs, ...]:
    return tuple(outputs(stage, call.faces) for stage in call.stages)


def mean_of_logits(features: Floats) -> Floats:
    """A meta-model that rises with every logit, as a trained one should."""
    return sigmoid(features[:, LOGIT_COLUMNS].mean(axis=1))


def decide(
    logits: NDArray[np.int16],
    thresholds: Policy | None = None,
    *,
    full: NDArray[np.bool_] | bool = False,
    face_px: Floats | None = None,
) -> Decisions:
    count = len(logits)
    sides = np.full(count, np.nan, np.float32) if face_px is None else face_px
    steps = cascade(paint(logits), sides, np.broadcast_to(full, count), thresholds or policy(), mean_of_logits)
    return drive(steps, run)


batches = hnp.arrays(np.int16, st.tuples(st.integers(0, 12), st.just(4)), elements=st.integers(-100, 100))
thresholds = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda pair: policy(min(pair), max(pair)))


def assert_same(left: Decisions, right: Decisions) -> None:
    np.testing.assert_array_equal(left.probability, right.probability)
    np.testing.assert_array_equal(left.exit_stage, right.exit_stage)
    np.testing.assert_array_equal(left.evidence, right.evidence)


@given(hnp.arrays(np.float32, st.integers(1, 20), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_sigmoid_is_a_probability_that_rises_with_the_logit(logits: Floats) -> None:
    with np.errstate(all="raise", under="ignore"):
        probability = sigmoid(np.sort(logits))
    assert probability.dtype == np.float32
    assert np.all((probability >= 0) & (probability <= 1))
    assert np.all(np.diff(probability) >= 0)


def test_a_positive_logit_means_fake() -> None:
    assert sigmoid(np.float32([-4, 0, 4])).tolist() == pytest.approx([0.01799, 0.5, 0.98201], abs=1e-5)
    real, fake = decide(np.int16([[-60, 0, 0, 0], [60, 0, 0, 0]])).probability
    assert real < 0.01 < 0.99 < fake


@given(batches, st.integers(0, 3), st.integers(1, 50), thresholds)
def test_raising_a_logit_never_lowers_the_probability_of_the_stage_that_decides(
    logits: NDArray[np.int16], column: int, rise: int, limits: Policy
) -> None:
    raised = logits.copy()
    raised[:, column] += rise
    before, after = decide(logits, limits), decide(raised, limits)
    same_exit = before.exit_stage == after.exit_stage
    assert np.all(after.probability[same_exit] >= before.probability[same_exit])
    if column:
        assert np.all(same_exit)  # only the fast filter chooses the exit


@given(batches, st.integers(0, 3), st.integers(1, 50))
def test_raising_any_logit_never_lowers_the_probability_on_the_full_route(
    logits: NDArray[np.int16], column: int, rise: int
) -> None:
    raised = logits.copy()
    raised[:, column] += rise
    assert np.all(decide(raised, full=True).probability >= decide(logits, full=True).probability)


@given(batches, thresholds)
def test_early_exits_lie_outside_the_doubt_and_agree_with_the_verdict(
    logits: NDArray[np.int16], limits: Policy
) -> None:
    decisions = decide(logits, limits)
    early = decisions.exit_stage == ExitStage.FAST_FILTER
    probability = decisions.probability[early]
    assert np.all((probability < limits.real_below) | (probability > limits.fake_above))
    settled_fake = probability > limits.fake_above
    np.testing.assert_array_equal(settled_fake, probability >= limits.decide_at)
    first = sigmoid(decisions.evidence[~early, FEATURES.index("fast_filter_logit")])
    assert np.all((first >= limits.real_below) & (first <= limits.fake_above))


@given(batches, st.lists(st.floats(0, 1), min_size=4, max_size=4).map(sorted))
def test_a_wider_doubt_never_settles_a_face_earlier(logits: NDArray[np.int16], bounds: list[float]) -> None:
    wide, narrow = policy(bounds[0], bounds[3], bounds[1]), policy(bounds[1], bounds[2], bounds[1])
    assert np.all(decide(logits, wide).exit_stage >= decide(logits, narrow).exit_stage)


@given(batches, thresholds)
def test_full_and_cascade_agree_on_whatever_reaches_the_end(logits: NDArray[np.int16], limits: Policy) -> None:
    short, long = decide(logits, limits), decide(logits, limits, full=True)
    assert np.all(long.exit_stage == ExitStage.META_MODEL)
    end = short.exit_stage == ExitStage.META_MODEL
    np.testing.assert_array_equal(short.probability[end], long.probability[end])
    np.testing.assert_array_equal(short.evidence[end], long.evidence[end])
    first = FEATURES.index("fast_filter_logit")
    np.testing.assert_array_equal(short.evidence[:, first], long.evidence[:, first])


@given(batches, thresholds, st.data())
def test_a_batch_gives_what_its_faces_give_one_by_one(
    logits: NDArray[np.int16], limits: Policy, data: st.DataObject
) -> None:
    full = data.draw(hnp.arrays(np.bool_, len(logits)))
    sides = data.draw(hnp.arrays(np.float32, len(logits), elements=st.floats(2, 4096, width=32)))
    together = decide(logits, limits, full=full, face_px=sides)
    for row in range(len(logits)):
        one = slice(row, row + 1)
        alone = decide(logits[one], limits, full=full[one], face_px=sides[one])
        taken = Decisions(together.probability[one], together.exit_stage[one], together.evidence[one])
        assert_same(taken, alone)


@given(batches, thresholds, st.randoms(use_true_random=False))
def test_order_is_kept(logits: NDArray[np.int16], limits: Policy, random: object) -> None:
    order = np.arange(len(logits))
    random.shuffle(order)  # type: ignore[attr-defined]
    straight, shuffled = decide(logits, limits), decide(logits[order], limits)
    assert_same(Decisions(straight.probability[order], straight.exit_stage[order], straight.evidence[order]), shuffled)


@given(batches, thresholds)
def test_evidence_is_missing_exactly_where_a_stage_did_not_run(logits: NDArray[np.int16], limits: Policy) -> None:
    sides = np.full(len(logits), 300, np.float32)
    decisions = decide(logits, limits, face_px=sides)
    missing = np.isnan(decisions.evidence)
    early = decisions.exit_stage == ExitStage.FAST_FILTER
    assert not missing[:, FEATURES.index("fast_filter_logit")].any()
    assert missing[early, STAGE_2].all()
    assert not missing[~early].any()


@given(batches, thresholds)
def test_each_stage_is_asked_once_for_exactly_the_faces_that_need_it(logits: NDArray[np.int16], limits: Policy) -> None:
    calls: list[StageCall] = []

    def note(call: StageCall) -> tuple[StageOutputs, ...]:
        calls.append(call)
        return run(call)

    faces = paint(logits)
    steps = cascade(faces, np.full(len(faces), np.nan, np.float32), np.zeros(len(faces), bool), limits, mean_of_logits)
    decisions = drive(steps, note)
    asked = {stage.name: call.rows.tolist() for call in calls for stage in call.stages}
    deferred = np.flatnonzero(decisions.exit_stage == ExitStage.META_MODEL).tolist()
    expected = {FAST_FILTER.name: list(range(len(faces)))} if len(faces) else {}
    if deferred:
        expected |= {EFFICIENTNET.name: deferred, GENCONVIT.name: deferred}
    assert asked == expected
    for call in calls:
        np.testing.assert_array_equal(call.faces, faces[call.rows])


def test_no_faces_ask_for_no_stage() -> None:
    def refuse(call: StageCall) -> tuple[StageOutputs, ...]:
        raise AssertionError(f"asked for {call.stages}")

    empty = np.empty((0, 256, 256, 3), np.uint8)
    steps = cascade(empty, np.empty(0, np.float32), np.empty(0, bool), policy(), mean_of_logits)
    decisions = drive(steps, refuse)
    assert decisions.probability.shape == (0,)
    assert decisions.exit_stage.shape == (0,)
    assert decisions.evidence.shape == (0, len(FEATURES))


def test_results_have_the_dtypes_of_the_contract_and_inputs_stay_untouched() -> None:
    logits = np.int16([[0, 10, 10, 10], [90, 0, 0, 0]])
    faces = paint(logits)
    before = faces.copy()
    sides = np.float32([100, 200])
    decisions = drive(cascade(faces, sides, np.zeros(2, bool), policy(), mean_of_logits), run)
    assert decisions.probability.dtype == decisions.evidence.dtype == np.float32
    assert decisions.exit_stage.dtype == np.int32
    np.testing.assert_array_equal(faces, before)
    assert decisions.evidence[0, FEATURES.index("face_px")] == 100


def test_thresholds_are_exclusive_so_a_tie_pays_for_the_heavy_stages() -> None:
    tie = float(sigmoid(np.float32([0]))[0])
    assert decide(np.int16([[0, 0, 0, 0]]), policy(tie, tie)).exit_stage.tolist() == [ExitStage.META_MODEL]


def test_the_stage_order_of_a_call_is_the_order_of_the_registry() -> None:
    steps = cascade(paint(np.int16([[0, 0, 0, 0]])), np.float32([np.nan]), np.array([True]), policy(), mean_of_logits)
    first = next(steps)
    second = steps.send(run(first))
    assert (*first.stages, *second.stages) == NETWORKS
