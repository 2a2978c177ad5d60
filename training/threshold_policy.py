"""Chooses the thresholds of the cascade from held-out scores, for stated targets, with exact bounds.

A threshold is accepted where the one-sided 95 % upper bound of its error meets the target. Leakage only grows with
`real_below`, so "the largest threshold whose bound holds" needs no correction for having looked at many (Bates et al.
2021, section 2.2). A bound counts either faces or groups: faces of one person resemble each other, so where groups
have several fakes, only the count of groups is safe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from awarenet.errors import DataError
from awarenet.evaluation import metrics
from awarenet.policy import Leakage, Policy
from awarenet.stages import POLICY_FILE
from training.logits import write_json

REPORT_FILE: Final = "policy_report.json"
CURVE_FILE: Final = "deferral.csv"
PLOT_FILE: Final = "deferral.png"

Unit = Literal["group", "face"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Targets:
    """What the thresholds are to achieve, all shares in [0, 1].

    Attributes:
        leakage: Largest share of fakes that stage 1 may pass as real, by its upper bound.
        false_alarm: Largest share of reals that stage 1 may settle as fake, by its upper bound; with 0, nobody is
            called fake on the word of the fast filter alone.
        error: Largest share of wrong verdicts among those that are not `uncertain`.
        certain: Least share of faces that must keep a verdict other than `uncertain`.
        unit: What the bounds count.
    """

    leakage: float = 0.01
    false_alarm: float = 0.0
    error: float = 0.05
    certain: float = 0.5
    unit: Unit = "group"

    def __post_init__(self) -> None:
        """Refuses what is no share.

        Raises:
            DataError: A target lies outside [0, 1], or the unit is neither `group` nor `face`.
        """
        for name in ("leakage", "false_alarm", "error", "certain"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"policy: target {name} must lie in [0, 1], got {getattr(self, name)!r}")
        if self.unit not in ("group", "face"):
            raise DataError(f"policy: unit must be 'group' or 'face', got {self.unit!r}")


@dataclass(frozen=True)
class Scores:
    """Held-out faces on which no stage was trained.

    Attributes:
        label: 0 real, 1 fake, int64 `[N]`.
        fast: Calibrated P(fake) of the fast filter, float32 values `[N]`.
        meta: P(fake) of the meta-model for each face, from trees that did not see its group, `[N]`.
        group: Identity or clip, `[N]`.
    """

    label: NDArray[np.int64]
    fast: Floats
    meta: Floats
    group: NDArray[np.str_]

    @classmethod
    def of(cls, label: ArrayLike, fast: ArrayLike, meta: ArrayLike, group: ArrayLike) -> Scores:
        """Checks columns of equal length.

        Raises:
            DataError: Lengths differ, a class is missing, or a probability lies outside [0, 1].
        """
        columns = cls(
            np.asarray(label, np.int64),
            # The cascade compares in float32; thresholds are chosen among the values that it will see.
            np.asarray(fast, np.float32).astype(np.float64),
            np.asarray(meta, np.float32).astype(np.float64),
            np.asarray(group, str),
        )
        if not len(columns.label) == len(columns.fast) == len(columns.meta) == len(columns.group):
            raise DataError("policy: label, fast, meta and group must have one length")
        if {*columns.label.tolist()} != {0, 1}:
            raise DataError("policy: needs reals (0) and fakes (1) to choose thresholds on")
        for name in ("fast", "meta"):
            values = getattr(columns, name)
            if not ((values >= 0) & (values <= 1)).all():
                raise DataError(f"policy: {name} must hold probabilities in [0, 1]")
        return columns


@dataclass(frozen=True)
class Choice:
    """A policy and the evidence for it.

    Attributes:
        policy: The thresholds.
        report: Figures behind them, JSON types alone.
        curve: Deferral against leakage, one row a threshold.
    """

    policy: Policy
    report: dict[str, Any]
    curve: pd.DataFrame


def choose(scores: Scores, targets: Targets, *, data: str, models: Mapping[str, str]) -> Choice:
    """Chooses every threshold of a policy.

    Args:
        scores: Held-out faces.
        targets: What is to be achieved.
        data: The held-out data, in words.
        models: Stage name to sha256 of the model files that the scores come from.
    """
    fake, real = scores.label == 1, scores.label == 0
    real_below = exit_below(scores.fast[fake], scores.fast[real], scores.group[fake], targets.leakage, targets.unit)
    # Settling as fake is the mirror image: small P(real), and reals are what must not slip through.
    mirrored = 1 - scores.fast
    fake_above = 1 - exit_below(mirrored[real], mirrored[fake], scores.group[real], targets.false_alarm, targets.unit)
    if real_below > fake_above:
        # Both targets hold anywhere between: every face exits at stage 1.
        real_below = fake_above = _float32((real_below + fake_above) / 2)
    real_below, fake_above = _float32(real_below, math.floor), _float32(fake_above, math.ceil)

    early = (scores.fast < real_below) | (scores.fast > fake_above)
    final = np.where(early, scores.fast, scores.meta)
    decide_at = decision_threshold(scores.label, final, real_below, fake_above)
    margin, error, certain = uncertain_margin(scores.label, final, decide_at, targets)

    passed = scores.fast < real_below
    bound = {unit: error_bound(passed[fake], scores.group[fake], unit) for unit in ("face", "group")}
    leakage = Leakage(
        target=targets.leakage,
        fakes=int(fake.sum()),
        leaked=int((fake & passed).sum()),
        upper_95=bound[targets.unit],
        reals=int(real.sum()),
        settled=int((real & passed).sum()),
    )
    groups = len(np.unique(scores.group[fake]))
    counted = f"{groups} groups"
    if targets.unit == "face":
        counted = f"{leakage.fakes} faces of {groups} groups (counted by group it is {bound['group']:.3g})"
    words = f"{data}; the bound of the leakage counts {counted}"
    if not passed.any():
        words += "; no threshold meets the leakage target on these data: nothing exits as real"
    policy = Policy(real_below, fake_above, decide_at, margin, leakage, words, dict(models))
    alarms = (scores.fast > fake_above)[real]
    report = {
        "unit": targets.unit,
        "faces": len(scores.label),
        "fakes": leakage.fakes,
        "groups_with_fakes": groups,
        "real_below": real_below,
        "leakage": leakage.leaked / leakage.fakes,
        "leakage_upper_95_by_face": bound["face"],
        "leakage_upper_95_by_group": bound["group"],
        "least_bound_by_group": metrics.clopper_pearson_upper(0, groups),
        "least_bound_by_face": metrics.clopper_pearson_upper(0, leakage.fakes),
        "reals_settled": leakage.settled / leakage.reals,
        "fake_above": fake_above,
        "false_alarm": float(alarms.mean()),
        "false_alarm_upper_95": error_bound(alarms, scores.group[real], targets.unit),
        "fakes_settled": float((scores.fast > fake_above)[fake].mean()),
        "deferred": float(1 - early.mean()),
        "decide_at": decide_at,
        "uncertain_margin": margin,
        "error_of_certain": error,
        "error_target_met": bool(error <= targets.error),
        "certain": certain,
        "auc": {
            "fast_filter": metrics.auc(scores.label, scores.fast),
            "cascade": metrics.auc(scores.label, final),
            "full": metrics.auc(scores.label, scores.meta),
        },
        "targets": {name: getattr(targets, name) for name in ("leakage", "false_alarm", "error", "certain")},
    }
    return Choice(policy, report, deferral_curve(scores, fake_above))


def exit_below(kept: Floats, settled: Floats, group: NDArray[np.str_], target: float, unit: Unit) -> float:
    """The largest threshold below which scores may exit early, so that those to be kept hardly do.

    Args:
        kept: Scores that must not fall below it (fakes, for the exit as real), `[K]`.
        settled: Scores that should (reals), `[M]`.
        group: Group of each of `kept`, `[K]`.
        target: What the one-sided 95 % upper bound of the share of `kept` below the threshold may reach.
        unit: What the bound counts.

    Returns:
        The threshold, midway between the scores on its two sides; 0 where none meets the target or where it would
        settle nothing.
    """
    # A threshold at the k-th smallest distinct score lets everything smaller exit. The bound grows with k.
    candidates = np.unique(kept)
    low, high = -1, len(candidates) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if error_bound(kept < candidates[middle], group, unit) <= target:
            low = middle
        else:
            high = middle - 1
    if low < 0:
        return 0.0
    limit = candidates[low]
    below = np.concatenate([kept[kept < limit], settled[settled < limit]])
    if not (settled < limit).any():
        return 0.0
    between = _float32((below.max() + limit) / 2)
    return between if below.max() < between <= limit else float(limit)


def error_bound(wrong: ArrayLike, group: ArrayLike, unit: Unit) -> float:
    """One-sided 95 % Clopper-Pearson upper bound of the share of wrong rows.

    By `group`, each group is one trial whose outcome is the share of its rows that are wrong; their sum, rounded up, is
    the count. Shares vary no more than zeros and ones of the same mean, so the binomial errs on the safe side.

    Args:
        wrong: bool `[N]`.
        group: Group of each row, `[N]`.
        unit: What is counted.
    """
    marks = np.asarray(wrong, bool)
    if unit == "face":
        return metrics.clopper_pearson_upper(int(marks.sum()), len(marks))
    _, index = np.unique(np.asarray(group), return_inverse=True)
    if not len(index):
        return 1.0
    shares = np.bincount(index, marks) / np.bincount(index)
    return metrics.clopper_pearson_upper(math.ceil(shares.sum() - 1e-9), len(shares))


def decision_threshold(label: NDArray[np.int64], final: Floats, lowest: float, highest: float) -> float:
    """P(fake) from which the verdict is fake: the greatest balanced accuracy, and of equal ones the nearest to 0.5.

    Args:
        label: 0 real, 1 fake, `[N]`.
        final: P(fake) of the stage that decided, `[N]`.
        lowest: `real_below`; the threshold is no smaller.
        highest: `fake_above`; the threshold is no greater.
    """
    distinct = np.unique(final)
    between = (distinct[1:] + distinct[:-1]) / 2
    candidates = np.unique(np.clip(np.concatenate([[0.5], between]), lowest, highest))
    reals, fakes = np.sort(final[label == 0]), np.sort(final[label == 1])
    specificity = np.searchsorted(reals, candidates, side="left") / len(reals)
    sensitivity = 1 - np.searchsorted(fakes, candidates, side="left") / len(fakes)
    accuracy = (specificity + sensitivity) / 2
    best = candidates[accuracy >= accuracy.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - 0.5))])


def uncertain_margin(
    label: NDArray[np.int64], final: Floats, decide_at: float, targets: Targets
) -> tuple[float, float, float]:
    """How near to `decide_at` a verdict is withheld: the least margin outside which errors meet the target.

    Returns:
        Margin, share of errors among certain verdicts, share of certain verdicts. Where no margin that leaves
        `targets.certain` of the faces certain meets the target, the one with the fewest errors.
    """
    distance = np.abs(final - decide_at)
    wrong = (final >= decide_at) != (label == 1)
    order = np.argsort(distance, kind="stable")
    distance, wrong = distance[order], wrong[order]
    # Candidate k withholds everything nearer than the k-th distance.
    starts = np.flatnonzero(np.concatenate([[True], distance[1:] > distance[:-1]]))
    starts = starts[(len(distance) - starts) >= targets.certain * len(distance)]
    errors = (wrong.sum() - np.concatenate([[0], np.cumsum(wrong)])[starts]) / (len(distance) - starts)
    meeting = np.flatnonzero(errors <= targets.error)
    pick = int(meeting[0]) if len(meeting) else int(np.argmin(errors))
    margin = 0.0 if starts[pick] == 0 else min(1.0, float(distance[starts[pick]]))
    return margin, float(errors[pick]), float((len(distance) - starts[pick]) / len(distance))


def deferral_curve(scores: Scores, fake_above: float, *, points: int = 200) -> pd.DataFrame:
    """Deferral against leakage as `real_below` moves, `fake_above` fixed.

    Returns:
        Columns real_below, leakage, upper_95_by_face, upper_95_by_group, reals_settled, deferred.
    """
    fake, real = scores.label == 1, scores.label == 0
    usable = np.unique(scores.fast[scores.fast <= fake_above])
    thresholds = (
        np.concatenate([[0.0], np.unique(np.quantile(usable, np.linspace(0, 1, points)))]) if len(usable) else [0.0]
    )
    rows = []
    for threshold in thresholds:
        passed = scores.fast < threshold
        rows.append(
            {
                "real_below": threshold,
                "leakage": passed[fake].mean(),
                "upper_95_by_face": error_bound(passed[fake], scores.group[fake], "face"),
                "upper_95_by_group": error_bound(passed[fake], scores.group[fake], "group"),
                "reals_settled": passed[real].mean(),
                "deferred": 1 - (passed | (scores.fast > fake_above)).mean(),
            }
        )
    return pd.DataFrame(rows)


def write(choice: Choice, out: Path) -> None:
    """Writes policy, report, curve and plot into a folder.

    Raises:
        DataError: The folder cannot be written.
    """
    try:
        (out / POLICY_FILE).write_text(choice.policy.to_json(), encoding="utf-8")
        write_json(out / REPORT_FILE, choice.report)
        choice.curve.to_csv(out / CURVE_FILE, index=False, float_format="%.6g")
        _plot(choice, out / PLOT_FILE)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error}); name a writable folder") from error


def _plot(choice: Choice, path: Path) -> None:
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(choice.curve["leakage"], choice.curve["deferred"], color="0.2", label="leakage")
    unit = choice.report["unit"]
    axes.plot(choice.curve[f"upper_95_by_{unit}"], choice.curve["deferred"], color="0.2", linestyle=":",
              label=f"upper bound by {unit}")  # fmt: skip
    axes.axvline(choice.policy.leakage.target, color="tab:red", linewidth=1, label="target")
    axes.set(xlabel="share of fakes passed as real by stage 1", ylabel="share of faces deferred", ylim=(0, 1.02))
    axes.legend()
    figure.savefig(path)


def _float32(value: float, towards: Any = None) -> float:
    """The nearest float32, or the next one down or up: exact when the cascade compares in float32."""
    single = np.float32(value)
    if towards is math.floor and float(single) > value:
        single = np.nextafter(single, np.float32(-1))
    if towards is math.ceil and float(single) < value:
        single = np.nextafter(single, np.float32(2))
    return float(single)
