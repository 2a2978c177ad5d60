"""Metrics of scores against labels, with intervals that respect groups.

Every metric takes `label` first (0 real, 1 fake), then the score, then optional row weights. A metric that compares the
two classes is NaN when one of them is absent: an AUC of one class does not exist, and 0.5 would pass for a measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.metrics import average_precision_score, roc_curve

from awarenet.errors import DataError

Floats = NDArray[np.float64]
Metric = Callable[[NDArray[np.int64], Floats, Floats], float]
"""A metric as the bootstrap calls it: label, score, weight (whole numbers; a weight of 2 is a row drawn twice)."""


@dataclass(frozen=True)
class Reliability:
    """A reliability curve: equal-width bins over [0, 1], empty bins left out.

    Attributes:
        probability: Mean P(fake) of each bin, float64 `[B]`.
        fake_share: Share of fakes in each bin, float64 `[B]`.
        count: Rows (or summed weights) in each bin, float64 `[B]`.
    """

    probability: Floats
    fake_share: Floats
    count: Floats


@dataclass(frozen=True)
class LeakageEstimate:
    """How many fakes the fast filter passes as real.

    Attributes:
        fakes: Number of fakes.
        leaked: How many of them leaked.
        share: `leaked / fakes`; NaN without fakes.
        upper_95: One-sided 95 % Clopper-Pearson upper bound of the share; 1 without fakes.
    """

    fakes: int
    leaked: int
    share: float
    upper_95: float


def auc(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the chance that a fake scores above a real, ties counting half.

    Args:
        label: 0 or 1, `[N]`.
        score: Higher means more fake, finite, `[N]`; probabilities or logits.
        weight: Row weights >= 0, `[N]`; None weighs all rows alike.

    Returns:
        A value in [0, 1]; NaN when a class is absent.
    """
    labels, scores, weights = _rows(label, score, weight)
    if not _both_classes(labels, weights):
        return math.nan
    order = np.argsort(scores, kind="stable")
    scores, fake = scores[order], (weights * labels)[order]
    real = weights[order] - fake
    # One step per distinct score, so that ties share their rank.
    starts = np.flatnonzero(np.concatenate(([True], scores[1:] != scores[:-1])))
    fake, real = np.add.reduceat(fake, starts), np.add.reduceat(real, starts)
    below = np.cumsum(real) - real / 2
    return float(fake @ below / (fake.sum() * real.sum()))


def average_precision(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Average precision with fakes as the positive class, in [0, 1]; NaN when a class is absent."""
    labels, scores, weights = _rows(label, score, weight)
    if not _both_classes(labels, weights):
        return math.nan
    return float(average_precision_score(labels, scores, sample_weight=weights))


def eer(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Equal error rate: where false positive and false negative rates meet on the ROC polygon; NaN for one class."""
    labels, scores, weights = _rows(label, score, weight)
    if not _both_classes(labels, weights):
        return math.nan
    fpr, tpr, _ = roc_curve(labels, scores, sample_weight=weights)
    # fpr - fnr rises strictly along the curve, so it crosses zero once.
    return float(np.interp(0.0, fpr - (1 - tpr), fpr))


def tpr_at_fpr(label: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None, *, fpr: float = 0.01) -> float:
    """The largest true positive rate of any threshold whose false positive rate is at most `fpr`.

    Nothing is interpolated: with fewer than 1 / `fpr` reals it is the rate at no false positive at all.
    """
    labels, scores, weights = _rows(label, score, weight)
    if not _both_classes(labels, weights):
        return math.nan
    false_positive, true_positive, _ = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    return float(true_positive[false_positive <= fpr + 1e-12].max())


def brier(label: ArrayLike, probability: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean squared difference of P(fake) and label, in [0, 1]; defined for one class too; NaN without rows."""
    labels, probabilities, weights = _rows(label, probability, weight, probability=True)
    if not weights.sum():
        return math.nan
    return float(np.average((probabilities - labels) ** 2, weights=weights))


def reliability(
    label: ArrayLike, probability: ArrayLike, weight: ArrayLike | None = None, *, bins: int = 15
) -> Reliability:
    """The reliability curve over `bins` equal-width bins; the last bin includes P(fake) = 1."""
    labels, probabilities, weights = _rows(label, probability, weight, probability=True)
    index = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    count: Floats = np.bincount(index, weights, minlength=bins).astype(np.float64)
    filled = count > 0
    mean = np.bincount(index, weights * probabilities, minlength=bins)[filled] / count[filled]
    share = np.bincount(index, weights * labels, minlength=bins)[filled] / count[filled]
    return Reliability(mean, share, count[filled])


def expected_calibration_error(
    label: ArrayLike, probability: ArrayLike, weight: ArrayLike | None = None, *, bins: int = 15
) -> float:
    """Mean distance of P(fake) from the share of fakes over equal-width bins (Guo et al. 2017, section 2).

    Returns:
        A value in [0, 1]; defined for one class too; NaN without rows.
    """
    curve = reliability(label, probability, weight, bins=bins)
    if not len(curve.count):
        return math.nan
    return float(np.average(np.abs(curve.probability - curve.fake_share), weights=curve.count))


def clopper_pearson_upper(count: int, total: int, *, confidence: float = 0.95) -> float:
    """One-sided exact upper bound of a share (Clopper & Pearson 1934).

    Zero of n gives 1 - (1 - confidence)^(1 / n), about 3 / n at 95 %; nothing of nothing gives 1.

    Raises:
        DataError: Not 0 <= count <= total.
    """
    if not 0 <= count <= total:
        raise DataError(f"leakage: a share needs 0 <= count <= total, got {count} of {total}")
    return 1.0 if count == total else float(stats.beta.ppf(confidence, count + 1, total - count))


def leakage(label: ArrayLike, passed: ArrayLike) -> LeakageEstimate:
    """The share of fakes that the fast filter passes as real, with its bound.

    Args:
        label: 0 or 1, `[N]`.
        passed: Whether the fast filter settled the row as real, bool `[N]`.
    """
    labels, marks, _ = _rows(label, np.asarray(passed, bool), None)
    fakes, leaked = int(labels.sum()), int((labels * marks).sum())
    share = leaked / fakes if fakes else math.nan
    return LeakageEstimate(fakes, leaked, share, clopper_pearson_upper(leaked, fakes))


def bootstrap_interval(
    metric: Metric,
    label: ArrayLike,
    score: ArrayLike,
    group: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a metric by the bootstrap over whole groups (Davison & Hinkley 1997, section 3.8).

    Rows of one person or clip resemble each other, so groups are drawn: rows would make it too narrow.
    Drawing is expressed as whole-number row weights, which spares copying rows.

    Args:
        metric: Called as `metric(label, score, weight)`.
        label: 0 or 1, `[N]`.
        score: `[N]`.
        group: Identity, clip or any other unit that is independent of the rest, `[N]`.
        resamples: How often the groups are drawn.
        seed: Seed of the draws; the same seed gives the same interval.
        confidence: Coverage of the two-sided interval.

    Returns:
        Low and high; both NaN with fewer than two groups, or when the metric does not exist on most draws.
    """
    labels, scores, _ = _rows(label, score, None)
    groups, row_group = np.unique(np.asarray(group), return_inverse=True)
    if len(row_group) != len(labels):
        raise DataError(f"bootstrap: {len(labels)} labels but {len(row_group)} groups; give one group a row")
    if len(groups) < 2:
        return math.nan, math.nan
    order = np.argsort(scores, kind="stable")  # sorted once: sorting what is sorted costs next to nothing
    labels, scores, row_group = labels[order], scores[order], row_group[order]
    draw = np.random.default_rng(seed)
    values = np.empty(resamples)
    for index in range(resamples):
        drawn = np.bincount(draw.integers(len(groups), size=len(groups)), minlength=len(groups))
        values[index] = metric(labels, scores, drawn[row_group].astype(np.float64))
    values = values[np.isfinite(values)]
    if len(values) < resamples / 2:
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _both_classes(labels: NDArray[np.int64], weights: Floats) -> bool:
    fake = weights @ labels
    return bool(0 < fake < weights.sum())


def _rows(
    label: ArrayLike, score: ArrayLike, weight: ArrayLike | None, *, probability: bool = False
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Checked columns of equal length.

    Raises:
        DataError: Lengths differ, a label is not 0 or 1, a score is not finite or (for probabilities) not in [0, 1].
    """
    raw: NDArray[Any] = np.asarray(label)
    scores = np.asarray(score, np.float64)
    weights = np.ones(len(scores)) if weight is None else np.asarray(weight, np.float64)
    if raw.ndim != 1 or not raw.shape == scores.shape == weights.shape:
        raise DataError(
            f"metric: label, score and weight must be columns of one length, got shapes "
            f"{raw.shape}, {scores.shape}, {weights.shape}"
        )
    if not ((raw == 0) | (raw == 1)).all():
        raise DataError("metric: a label is neither 0 (real) nor 1 (fake); the label comes before the score")
    if not np.isfinite(scores).all():
        raise DataError("metric: a score is not finite; leave out rows that failed or have no face")
    if probability and len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
        raise DataError("metric: a probability lies outside [0, 1]; pass probabilities, not logits")
    return raw.astype(np.int64), scores, weights
