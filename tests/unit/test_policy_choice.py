"""Thresholds against a second, naive computation from the raw scores."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from awarenet.cascade import sigmoid
from awarenet.errors import DataError
from awarenet.policy import Policy
from tests.unit.synthetic_logits import make_table
from training.threshold_policy import Choice, Scores, Targets, choose, error_bound, exit_below, uncertain_margin, write


def make_scores(people: int = 400, *, separation: float = 4.0, seed: int = 0) -> Scores:
    table = make_table(people, separation=separation, seed=seed)
    fast = sigmoid(table["fast_filter_logit"].to_numpy())
    meta = sigmoid((table["fast_filter_logit"] + table["efficientnet_logit"]).to_numpy(np.float32))
    return Scores.of(table["label"], fast, meta, table["group"])


def chosen(scores: Scores, **targets: object) -> Choice:
    return choose(scores, Targets(**targets), data="synthetic faces", models={"fast_filter": "0" * 64})  # type: ignore[arg-type]


worlds = st.builds(
    make_scores,
    people=st.integers(5, 80),
    separation=st.floats(0.0, 6.0),
    seed=st.integers(0, 10_000),
)


@settings(max_examples=40, deadline=None)
@given(scores=worlds, target=st.sampled_from([0.0, 0.01, 0.05, 0.2, 1.0]), unit=st.sampled_from(["face", "group"]))
def test_the_record_equals_a_recount_from_the_raw_scores_in_float32(scores: Scores, target: float, unit: str) -> None:
    policy = chosen(scores, leakage=target, unit=unit).policy
    # As the cascade does it: float32 probabilities against the stored threshold.
    fast = scores.fast.astype(np.float32)
    stored = Policy.from_json(policy.to_json())
    passed = [bool(p < stored.real_below) for p in fast]
    fakes = [mark for mark, label in zip(passed, scores.label, strict=True) if label == 1]
    reals = [mark for mark, label in zip(passed, scores.label, strict=True) if label == 0]
    record = stored.leakage
    assert (record.fakes, record.leaked, record.reals, record.settled) == (
        len(fakes),
        sum(fakes),
        len(reals),
        sum(reals),
    )
    assert record.leaked / record.fakes <= record.upper_95 + 1e-12
    assert record.upper_95 <= target or stored.real_below == 0.0
    if stored.real_below == 0.0:
        assert sum(passed) == 0 and "nothing exits as real" in stored.data


@settings(max_examples=10, deadline=None)
@given(scores=worlds, unit=st.sampled_from(["face", "group"]))
def test_a_looser_target_never_settles_less(scores: Scores, unit: str) -> None:
    policies = [chosen(scores, leakage=target, unit=unit).policy for target in (0.0, 0.01, 0.05, 0.3)]
    thresholds = [policy.real_below for policy in policies]
    settled = [policy.leakage.settled for policy in policies]
    # Where the two exits meet they share the middle, so only what is settled below that is comparable.
    if all(policy.real_below < policy.fake_above for policy in policies):
        assert thresholds == sorted(thresholds) and settled == sorted(settled)


@settings(max_examples=25, deadline=None)
@given(scores=worlds, target=st.sampled_from([0.01, 0.1, 0.3]))
def test_no_larger_threshold_would_have_met_the_target(scores: Scores, target: float) -> None:
    fake = scores.label == 1
    threshold = exit_below(scores.fast[fake], scores.fast[~fake], scores.group[fake], target, "face")
    kept = np.unique(scores.fast[fake])
    bounds = [error_bound(scores.fast[fake] < value, scores.group[fake], "face") for value in kept]
    best = max((value for value, bound in zip(kept, bounds, strict=True) if bound <= target), default=0.0)
    settled = (scores.fast[~fake] < best).sum()
    assert (scores.fast[~fake] < threshold).sum() == settled
    assert threshold <= best


def test_inverting_the_labels_blows_up() -> None:
    scores = make_scores()
    policy = chosen(scores).policy
    assert policy.leakage.settled > 0.5 * policy.leakage.reals
    inverted = dataclasses.replace(scores, label=1 - scores.label)
    # With the right thresholds, what is now called fake leaks in masses ...
    leaked = (scores.fast < policy.real_below)[inverted.label == 1].mean()
    assert leaked > 0.5
    # ... and chosen on inverted labels, next to nothing may exit and verdicts are no better than chance.
    spoilt = chosen(inverted)
    assert spoilt.report["reals_settled"] < 0.01
    assert spoilt.report["auc"]["fast_filter"] < 0.05


def test_a_strong_filter_meets_one_percent_by_groups() -> None:
    choice = chosen(make_scores(400), false_alarm=0.01)
    assert 0 < choice.policy.real_below <= choice.policy.decide_at <= choice.policy.fake_above < 1
    assert choice.policy.leakage.upper_95 <= 0.01
    assert choice.report["false_alarm_upper_95"] <= 0.01
    assert "counts 400 groups" in choice.policy.data
    assert choice.report["auc"]["full"] > choice.report["auc"]["fast_filter"]


def test_nobody_is_called_fake_on_the_fast_filters_word_unless_that_is_asked_for() -> None:
    choice = chosen(make_scores(400))
    assert choice.policy.fake_above == 1.0 and choice.report["fakes_settled"] == 0
    assert choice.policy.real_below > 0


def test_too_few_people_cannot_prove_one_percent_and_the_policy_says_so() -> None:
    few = chosen(make_scores(100))
    assert few.policy.real_below == 0.0 and few.policy.leakage.settled == 0
    assert "no threshold meets the leakage target" in few.policy.data
    assert few.report["least_bound_by_group"] == pytest.approx(1 - 0.05 ** (1 / 100))
    by_face = chosen(make_scores(100), unit="face").policy
    assert by_face.real_below > 0 and "400 faces of 100 groups" in by_face.data


def test_a_filter_at_chance_settles_next_to_nothing() -> None:
    weak = chosen(make_scores(60, separation=0.0), unit="face")
    assert weak.report["reals_settled"] < 0.05 and weak.report["deferred"] > 0.9


def test_group_bound_counts_shares_of_groups() -> None:
    wrong = [True, False, False, False, True, True]
    group = ["a", "a", "b", "b", "c", "c"]
    # Shares 1/2, 0, 1: sum 1.5, counted as 2 of 3 groups.
    assert error_bound(wrong, group, "group") == pytest.approx(stats.beta.ppf(0.95, 3, 1))
    assert error_bound(wrong, group, "face") == pytest.approx(stats.beta.ppf(0.95, 4, 3))
    assert (
        error_bound(np.zeros(300, bool), np.arange(300), "group")
        < 0.01
        < error_bound(np.zeros(298, bool), np.arange(298), "group")
    )
    assert error_bound([], [], "group") == 1.0


def test_ties_on_the_threshold_stay() -> None:
    kept, settled = np.array([0.5] * 10), np.array([0.1, 0.5, 0.5])
    threshold = exit_below(kept, settled, np.arange(10).astype(str), 0.3, "face")
    assert 0.1 < threshold <= 0.5
    assert exit_below(kept, np.array([0.5]), np.arange(10).astype(str), 0.3, "face") == 0.0


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=2, max_size=60),
    error=st.sampled_from([0.0, 0.05, 0.3]),
    certain=st.sampled_from([0.2, 0.5, 0.9]),
)
def test_the_margin_is_the_least_that_meets_the_target(
    rows: list[tuple[int, float]], error: float, certain: float
) -> None:
    label, final = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    margin, found, share = uncertain_margin(label, final, 0.5, Targets(error=error, certain=certain))

    def outside(value: float) -> NDArray[np.bool_]:
        return np.asarray(np.abs(final - 0.5) >= value)

    sure = outside(margin)
    assert sure.mean() == pytest.approx(share) and share >= certain
    assert ((final >= 0.5) != (label == 1))[sure].mean() == pytest.approx(found)
    for smaller in [0.0, *np.abs(final - 0.5)]:
        if smaller < margin:
            assert ((final >= 0.5) != (label == 1))[outside(smaller)].mean() > min(error, found) - 1e-12


def test_everything_is_written_and_the_curve_is_monotone(tmp_path: Path) -> None:
    choice = chosen(make_scores(50), unit="face")
    write(choice, tmp_path)
    assert Policy.load(tmp_path / "policy.json", {"fast_filter": "0" * 64}) == choice.policy
    report = json.loads((tmp_path / "policy_report.json").read_text())
    assert report["unit"] == "face" and report["groups_with_fakes"] == 50
    for column in ("leakage", "upper_95_by_face", "reals_settled"):
        assert choice.curve[column].is_monotonic_increasing
    assert choice.curve["deferred"].is_monotonic_decreasing
    assert (choice.curve["upper_95_by_group"] >= choice.curve["leakage"] - 1e-12).all()
    assert (tmp_path / "deferral.csv").stat().st_size and (tmp_path / "deferral.png").stat().st_size
    with pytest.raises(DataError, match="cannot be written"):
        write(choice, tmp_path / "nowhere")


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="leakage must lie"):
        Targets(leakage=1.5)
    with pytest.raises(DataError, match="unit must be"):
        Targets(unit="frame")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="one length"):
        Scores.of([0, 1], [0.1], [0.1, 0.2], ["a", "b"])
    with pytest.raises(DataError, match="needs reals"):
        Scores.of([1, 1], [0.1, 0.2], [0.1, 0.2], ["a", "b"])
    with pytest.raises(DataError, match="fast must hold probabilities"):
        Scores.of([0, 1], [0.1, 3.0], [0.1, 0.2], ["a", "b"])
