"""Metrics against closed forms and scikit-learn; what one class gives; intervals over groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score

from awarenet.errors import DataError
from awarenet.evaluation import metrics

TWO_CLASS = [metrics.auc, metrics.average_precision, metrics.eer, metrics.tpr_at_fpr]


def gaussian_scores(count: int, shift: float, seed: int = 0):
    draw = np.random.default_rng(seed)
    label = draw.integers(2, size=count)
    return label, draw.normal(size=count) + shift * label


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(0, 3)), min_size=2, max_size=40).filter(
        lambda rows: len({label for label, _, weight in rows if weight}) == 2
    )
)
@settings(deadline=None, max_examples=60)
def test_auc_equals_scikit_learn_with_ties_and_weights(rows):
    label, score, weight = map(np.array, zip(*rows, strict=True))
    expected = roc_auc_score(label, score, sample_weight=weight)
    assert metrics.auc(label, score, weight) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", TWO_CLASS)
def test_a_weight_of_two_is_a_row_twice(metric):
    label, score = gaussian_scores(200, 1.0)
    weight = np.random.default_rng(1).integers(0, 4, size=200)
    rows = np.repeat(np.arange(200), weight)
    assert metric(label, score, weight) == pytest.approx(metric(label[rows], score[rows]), abs=1e-12)


def test_closed_forms_of_two_shifted_normals():
    label, score = gaussian_scores(200_000, 1.5)
    assert metrics.auc(label, score) == pytest.approx(norm.cdf(1.5 / math.sqrt(2)), abs=0.004)
    assert metrics.eer(label, score) == pytest.approx(norm.cdf(-0.75), abs=0.004)
    assert metrics.tpr_at_fpr(label, score) == pytest.approx(norm.sf(norm.isf(0.01) - 1.5), abs=0.01)


def test_polarity_fake_scores_high():
    label = np.array([0, 0, 1, 1])
    right, wrong = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.9, 0.8, 0.2, 0.1])
    assert (metrics.auc(label, right), metrics.auc(label, wrong)) == (1.0, 0.0)
    assert (metrics.eer(label, right), metrics.eer(label, wrong)) == (0.0, 1.0)
    assert (metrics.tpr_at_fpr(label, right), metrics.tpr_at_fpr(label, wrong)) == (1.0, 0.0)
    assert metrics.average_precision(label, right) == 1.0
    assert metrics.brier(label, right) < metrics.brier(label, wrong)


@pytest.mark.parametrize("metric", TWO_CLASS)
@pytest.mark.parametrize("label", [[0, 0, 0], [1, 1, 1], []])
def test_one_class_has_no_two_class_metric(metric, label):
    assert math.isnan(metric(label, np.linspace(0, 1, len(label))))


def test_tpr_at_fpr_with_few_reals_allows_no_false_positive():
    label = [0, 0, 0, 1, 1, 1, 1]
    score = [0.1, 0.2, 0.7, 0.3, 0.6, 0.8, 0.9]
    assert metrics.tpr_at_fpr(label, score) == 0.5
    assert metrics.tpr_at_fpr(label, score, fpr=0.34) == 1.0


def test_calibration_of_a_constant_is_its_distance_from_the_base_rate():
    label = np.array([0, 0, 0, 1])
    assert metrics.expected_calibration_error(label, np.full(4, 0.9)) == pytest.approx(0.65)
    assert metrics.brier(label, np.full(4, 0.9)) == pytest.approx((3 * 0.81 + 0.01) / 4)


def test_calibrated_probabilities_have_a_small_error_and_lie_on_the_diagonal():
    draw = np.random.default_rng(0)
    probability = draw.uniform(size=100_000)
    label = (draw.uniform(size=100_000) < probability).astype(int)
    curve = metrics.reliability(label, probability)
    assert curve.count.sum() == 100_000
    np.testing.assert_allclose(curve.probability, curve.fake_share, atol=0.03)
    assert metrics.expected_calibration_error(label, probability) < 0.01
    # Squaring makes the probabilities too low by E[p - p^2] = 1 / 6.
    assert metrics.expected_calibration_error(label, probability**2) == pytest.approx(1 / 6, abs=0.01)


def test_reliability_keeps_the_ends_of_the_range():
    curve = metrics.reliability([0, 1], [0.0, 1.0], bins=10)
    np.testing.assert_array_equal(curve.count, [1, 1])
    np.testing.assert_array_equal(curve.fake_share, [0, 1])


@pytest.mark.parametrize(("leaked", "fakes"), [(0, 300), (3, 300), (299, 300), (0, 1)])
def test_leakage_bound_solves_the_binomial_tail(leaked, fakes):
    bound = metrics.clopper_pearson_upper(leaked, fakes)
    assert binom.cdf(leaked, fakes, bound) == pytest.approx(0.05, abs=1e-9)


def test_leakage_counts_only_fakes():
    estimate = metrics.leakage([1, 1, 1, 1, 0, 0], [True, False, False, False, True, True])
    assert (estimate.fakes, estimate.leaked, estimate.share) == (4, 1, 0.25)
    assert 0.25 < estimate.upper_95 < 1
    none = metrics.leakage([1] * 300, [False] * 300)
    assert none.upper_95 == pytest.approx(3 / 300, rel=0.01)
    empty = metrics.leakage([0, 0], [True, False])
    assert math.isnan(empty.share)
    assert empty.upper_95 == 1.0


def test_bootstrap_covers_the_truth_and_repeats_with_its_seed():
    label, score = gaussian_scores(600, 1.0)
    group = np.arange(600)
    low, high = metrics.bootstrap_interval(metrics.auc, label, score, group, resamples=500)
    assert low < metrics.auc(label, score) < high
    # Standard error of a Gaussian AUC of 0.76 at 300 + 300 rows is about 0.02.
    assert 0.05 < high - low < 0.1
    assert (low, high) == metrics.bootstrap_interval(metrics.auc, label, score, group, resamples=500)
    assert (low, high) != metrics.bootstrap_interval(metrics.auc, label, score, group, resamples=500, seed=1)


def test_bootstrap_draws_groups_and_never_rows():
    label, score = gaussian_scores(100, 1.0)
    group = np.arange(100)
    single = metrics.bootstrap_interval(metrics.auc, label, score, group)
    repeated = metrics.bootstrap_interval(metrics.auc, np.tile(label, 10), np.tile(score, 10), np.tile(group, 10))
    # Ten copies of each clip carry no new information: the interval must not shrink by sqrt(10).
    assert repeated == pytest.approx(single, abs=1e-12)


@pytest.mark.parametrize(
    ("label", "group"),
    [([0, 1, 0, 1], ["a"] * 4), ([1, 1, 1, 1], ["a", "b", "c", "d"])],
    ids=["one group", "one class"],
)
def test_no_interval_where_there_is_none(label, group):
    assert all(map(math.isnan, metrics.bootstrap_interval(metrics.auc, label, [0.1, 0.2, 0.3, 0.4], group)))


def test_swapped_or_broken_columns_are_refused():
    with pytest.raises(DataError, match="label comes before the score"):
        metrics.auc([0.2, 0.9], [0, 1])
    with pytest.raises(DataError, match="not finite"):
        metrics.auc([0, 1], [math.nan, 0.5])
    with pytest.raises(DataError, match="one length"):
        metrics.auc([0, 1], [0.5])
    with pytest.raises(DataError, match="not logits"):
        metrics.brier([0, 1], [-2.0, 3.0])
    with pytest.raises(DataError, match="one group a row"):
        metrics.bootstrap_interval(metrics.auc, [0, 1], [0.1, 0.2], ["a"])
