"""Plots of an evaluation as SVG text, to be placed inside a page."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from awarenet.evaluation import metrics
from awarenet.policy import Policy

REAL: Final = "#2b6cb0"
FAKE: Final = "#c05621"
INK: Final = "#2d3748"
FAINT: Final = "#a0aec0"

STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def intervals(figures: Mapping[str, Mapping[str, Any]]) -> str | None:
    """AUC with its interval, one line a name; None where no AUC exists.

    Args:
        figures: Name to figures as `awarenet.evaluation.summary` makes them.
    """
    shown = [(name, entry) for name, entry in figures.items() if entry["auc"] is not None]
    if not shown:
        return None
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "intervals"}):
        figure = Figure(figsize=(9, 0.7 + 0.28 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        for row, (_, entry) in enumerate(shown):
            if entry["auc_low"] is not None:
                axes.plot([entry["auc_low"], entry["auc_high"]], [row, row], color=INK, linewidth=2, alpha=0.45)
            axes.plot(entry["auc"], row, "o", color=INK, markersize=5)
        axes.axvline(0.5, color=FAINT, linewidth=1, linestyle="--")
        axes.set_yticks(range(len(shown)), [name for name, _ in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlim(min(0.4, min(entry["auc_low"] or entry["auc"] for _, entry in shown) - 0.02), 1.005)
        axes.set_xlabel("AUC (line: 95 % interval; dashed: chance)")
        axes.grid(axis="x", color=FAINT, alpha=0.3)
        return svg(figure, "AUC with 95 % interval of every subset, method and pair")


def panels(name: str, scores: pd.DataFrame, policy: Policy) -> str | None:
    """ROC, reliability, score histogram, and deferral against leakage of one set of rows; None without a score.

    Args:
        name: What the rows are called.
        scores: The rows of the score table.
        policy: The thresholds in force, marked in the plots.
    """
    scored = scores[scores["probability"].notna()]
    if scored.empty:
        return None
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(12, 3.1), layout="constrained")
        roc, reliability, histogram, deferral = figure.subplots(1, 4)
        _roc(roc, scored)
        _reliability(reliability, scored)
        _histogram(histogram, scored, policy)
        _deferral(deferral, scored, policy)
        return svg(figure, f"ROC, reliability, scores and deferral of {name}")


def _roc(axes: Axes, scored: pd.DataFrame) -> None:
    axes.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--")
    if scored["label"].nunique() < 2:
        _absent(axes, "needs reals and fakes")
        return
    fpr, tpr, _ = roc_curve(scored["label"], scored["probability"])
    axes.plot(fpr, tpr, color=INK, linewidth=1.6)
    area = metrics.auc(scored["label"], scored["probability"])
    axes.text(0.97, 0.05, f"AUC {area:.3f}", ha="right")


def _reliability(axes: Axes, scored: pd.DataFrame) -> None:
    axes.set(title="Reliability", xlabel="mean P(fake) in bin", ylabel="share of fakes in bin")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--")
    curve = metrics.reliability(scored["label"], scored["probability"])
    axes.plot(curve.probability, curve.fake_share, color=INK, linewidth=1, alpha=0.6)
    axes.scatter(curve.probability, curve.fake_share, s=6 + 90 * curve.count / curve.count.sum(), color=INK)
    error = metrics.expected_calibration_error(scored["label"], scored["probability"])
    axes.text(0.97, 0.05, f"ECE {error:.3f}", ha="right")


def _histogram(axes: Axes, scored: pd.DataFrame, policy: Policy) -> None:
    axes.set(title="Scores", xlabel="P(fake)", ylabel="share of its class", xlim=(-0.02, 1.02))
    bins = [edge / 25 for edge in range(26)]
    for label, word, colour in ((0, "real", REAL), (1, "fake", FAKE)):
        part = scored.loc[scored["label"] == label, "probability"].to_numpy(np.float64)
        if len(part):
            weights = np.full(len(part), 1 / len(part))
            axes.hist(part, bins, weights=weights, color=colour, alpha=0.55, label=f"{word} ({len(part)})")
    axes.axvline(policy.decide_at, color=INK, linewidth=1, linestyle=":", label="decide_at")
    axes.margins(y=0.25)
    axes.legend(loc="upper center", ncols=3, columnspacing=0.8, handlelength=1.2, handletextpad=0.4)


def _deferral(axes: Axes, scored: pd.DataFrame, policy: Policy) -> None:
    """Both shares as `real_below` moves over every score, `fake_above` staying where the policy has it."""
    axes.set(title="Deferral against leakage", xlabel="leakage: fakes passed by stage 1", ylabel="share deferred")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    fast = scored["fast_filter"].to_numpy(np.float64)
    fake = scored["label"].to_numpy() == 1
    if not fake.any() or np.isnan(fast).all():
        _absent(axes, "needs fakes")
        return
    thresholds = np.concatenate(([0.0], np.unique(fast[fast <= policy.fake_above]), [policy.fake_above]))
    leaked = _below(fast[fake], thresholds)
    for chosen, word, colour in ((~fake, "reals", REAL), (fake, "fakes", FAKE)):
        if chosen.any():
            sure_fake = (fast[chosen] > policy.fake_above).mean()
            axes.plot(leaked, 1 - sure_fake - _below(fast[chosen], thresholds), color=colour, label=word)
    here = np.array([float(np.float32(policy.real_below))])
    axes.axvline(float(_below(fast[fake], here)[0]), color=INK, linewidth=1, linestyle=":", label="policy")
    axes.legend(loc="upper right")


def _below(values: metrics.Floats, thresholds: metrics.Floats) -> metrics.Floats:
    """Share of `values` strictly below each threshold."""
    return np.asarray(np.searchsorted(np.sort(values), thresholds, side="left") / len(values), np.float64)


def _absent(axes: Axes, why: str) -> None:
    axes.text(0.5, 0.5, why, ha="center", va="center", color=FAINT, transform=axes.transAxes)


def svg(figure: Figure, title: str) -> str:
    """The figure as an SVG element that can stand inside HTML and names itself to screen readers.

    What is drawn in `INK` takes the colour of the text around it, so that it can be read on a dark page as well.
    """
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Title": title}, transparent=True)
    element = text.getvalue().replace(INK, "currentColor")
    return element[element.index("<svg") :].replace("<svg", '<svg role="img"', 1)
