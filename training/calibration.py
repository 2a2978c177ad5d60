"""Temperature scaling, and how well probabilities agree with frequencies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from awarenet.cascade import sigmoid
from awarenet.errors import DataError
from awarenet.evaluation import metrics
from training.logits import LOGITS, OUTPUTS, write_json
from training.stacking import group_folds

CALIBRATION_FILE: Final = "calibration.json"

LIMITS: Final = (0.02, 50.0)
"""Temperatures are searched between these."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature.

    Attributes:
        value: What the logit is divided by.
        at_limit: Whether it lies at the edge of `LIMITS`: the logit says nothing, or says the opposite of the labels.
        nll: Mean negative log-likelihood with it, in nats.
        nll_before: The same at temperature 1.
    """

    value: float
    at_limit: bool
    nll: float
    nll_before: float


def negative_log_likelihood(logit: ArrayLike, label: ArrayLike) -> float:
    """Mean binary cross-entropy of logits, in nats."""
    z, y = np.asarray(logit, np.float64), np.asarray(label, np.float64)
    return float(np.mean(np.logaddexp(0.0, z) - y * z))


def fit_temperature(logit: ArrayLike, label: ArrayLike) -> Temperature:
    """The temperature that minimises the likelihood loss of `logit / temperature` (Guo et al. 2017, section 4.2).

    The loss is convex in 1 / T, hence has one valley in log T, where it is searched.

    Args:
        logit: Logits of P(fake), finite, `[N]`.
        label: 0 real, 1 fake, `[N]`; both must occur.

    Raises:
        DataError: A class is missing, or a logit is not finite.
    """
    z, y = np.asarray(logit, np.float64), np.asarray(label, np.int64)
    if not np.isfinite(z).all():
        raise DataError("calibration: a logit is not finite; check the stage that made it")
    if {*y.tolist()} != {0, 1}:
        raise DataError("calibration: needs reals (0) and fakes (1); give a split that holds both")
    low, high = np.log(LIMITS)
    found = minimize_scalar(lambda t: negative_log_likelihood(z / np.exp(t), y), bounds=(low, high), method="bounded")
    at_limit = bool(min(found.x - low, high - found.x) < 1e-2)
    return Temperature(float(np.exp(found.x)), at_limit, float(found.fun), negative_log_likelihood(z, y))


def equal_mass_calibration_error(label: ArrayLike, probability: ArrayLike, *, bins: int = 15) -> float:
    """ECE over bins of equal numbers of rows (Nixon et al. 2019, section 3): no bin rests on a handful.

    Returns:
        A value in [0, 1]; NaN without rows. `awarenet.evaluation.metrics.expected_calibration_error` has bins of
        equal width.
    """
    y, p = np.asarray(label, np.float64), np.asarray(probability, np.float64)
    order = np.argsort(p, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    if not parts:
        return float("nan")
    return float(sum(len(part) * abs(p[part].mean() - y[part].mean()) for part in parts) / len(y))


def calibrate(table: pd.DataFrame, *, folds: int = 5, seed: int = 0, split: str = "calibration") -> dict[str, Any]:
    """Fits one temperature for each logit column, and measures what it brings.

    Figures "after" on the calibration split are cross-fitted by group: every row is scored with the temperature of the
    other people's rows. Figures on other splits use the final temperature.

    Args:
        table: As `training.logits.stage_logits` makes it, without temperatures.
        folds: Group folds of the cross-fit.
        seed: Of the folds.
        split: The split to fit on.

    Returns:
        `{column: {temperature, at_limit, nll, nll_before, splits: {split: figures}}}`; JSON types alone.

    Raises:
        DataError: The split is empty or holds one class.
    """
    fitted = table[table["split"] == split]
    if fitted.empty:
        raise DataError(f"calibration: no row in the split {split!r}; make logits of it")
    fold = fitted["group"].map(group_folds(fitted["group"], folds, seed=seed)).to_numpy()
    report: dict[str, Any] = {}
    for column in LOGITS:
        logit, label = fitted[column].to_numpy(np.float64), fitted["label"].to_numpy()
        temperature = fit_temperature(logit, label)
        crossed = np.empty_like(logit)
        for held in np.unique(fold):
            others = fold != held
            crossed[~others] = logit[~others] / fit_temperature(logit[others], label[others]).value
        splits = {split: _before_and_after(fitted, logit, crossed)}
        for name, rows in table[table["split"] != split].groupby("split"):
            logit = rows[column].to_numpy(np.float64)
            splits[str(name)] = _before_and_after(rows, logit, logit / temperature.value)
        report[column] = {
            "temperature": temperature.value,
            "at_limit": temperature.at_limit,
            "nll": temperature.nll,
            "nll_before": temperature.nll_before,
            "splits": splits,
        }
    return report


def figures(label: ArrayLike, probability: ArrayLike, group: ArrayLike) -> dict[str, Any]:
    """What is reported of probabilities: n, AUC with interval by group, both ECEs (15 bins), Brier score."""
    y, p = np.asarray(label, np.int64), np.asarray(probability, np.float64)
    low, high = metrics.bootstrap_interval(metrics.auc, y, p, group, resamples=500)
    return {
        "faces": len(y),
        "fakes": int(y.sum()),
        "groups": len(np.unique(np.asarray(group))),
        "auc": metrics.auc(y, p),
        "auc_low": low,
        "auc_high": high,
        "ece_equal_width": metrics.expected_calibration_error(y, p, bins=15),
        "ece_equal_mass": equal_mass_calibration_error(y, p, bins=15),
        "brier": metrics.brier(y, p),
    }


def apply_temperatures(table: pd.DataFrame, report: Mapping[str, Any]) -> pd.DataFrame:
    """The table with calibrated logits, float32."""
    scaled = {name: (table[name] / report[name]["temperature"]).astype(np.float32) for name in LOGITS}
    return table.assign(**scaled)


def store_temperatures(run: Path, report: Mapping[str, Any]) -> None:
    """Writes `calibration.json`, and into the note of every saved stage the temperatures that loading folds in.

    Raises:
        DataError: A note cannot be read or written.
    """
    write_json(run / CALIBRATION_FILE, report)
    for stage, columns in OUTPUTS.items():
        path = run / f"{stage.name}.json"
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
            note["temperature"] = [report[name]["temperature"] for name in columns if name in LOGITS]
            path.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be updated ({error}); train the stage again") from error


def read_calibration(run: Path) -> dict[str, Any]:
    """What `store_temperatures` wrote.

    Raises:
        DataError: It is not there.
    """
    try:
        report: dict[str, Any] = json.loads((run / CALIBRATION_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{run / CALIBRATION_FILE}: cannot be read ({error}); run `python -m training calibrate`"
        ) from error
    return report


def plot_reliability(table: pd.DataFrame, columns: Sequence[str], path: Path, *, bins: int = 15) -> None:
    """Draws reliability diagrams (share of fakes against P(fake), equal-width bins), one panel a column.

    Args:
        table: Columns `label` and the given ones, which hold P(fake).
        columns: What to draw.
        path: The picture; its suffix decides the format.
        bins: Number of bins.
    """
    figure = Figure(figsize=(3.2 * len(columns), 3.4), layout="constrained")
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        curve = metrics.reliability(table["label"], table[column], bins=bins)
        error = metrics.expected_calibration_error(table["label"], table[column], bins=bins)
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
        axes.plot(curve.probability, curve.fake_share, color="0.2", linewidth=1)
        axes.scatter(curve.probability, curve.fake_share, s=8 + 200 * curve.count / curve.count.sum(), color="0.2")
        axes.set(title=f"{column}\nECE {error:.3f}", xlabel="P(fake)", ylabel="share of fakes")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    figure.savefig(path)


def _before_and_after(rows: pd.DataFrame, before: Floats, after: Floats) -> dict[str, Any]:
    label, group = rows["label"].to_numpy(), rows["group"].to_numpy()
    return {
        name: figures(label, sigmoid(logit.astype(np.float32)), group)
        for name, logit in (("before", before), ("after", after))
    }
