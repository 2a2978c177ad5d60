"""Plots of the report as SVG text, in the style of an evaluation's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from awarenet.evaluation.plots import FAINT, FAKE, INK, REAL, STYLE, svg
from benchmarks.models.forms import with_threads
from benchmarks.models.sensitivity import WORDS

_COLOURS: Final = {"real": REAL, "uncertain": FAINT, "fake": FAKE}
_LINES: Final = {"error": "-", "deferred": "--", "leakage": ":"}


def sensitivity(curves: Mapping[str, Sequence[Mapping[str, Any]]], thresholds: Mapping[str, float]) -> str:
    """Verdicts as areas, errors, deferral and leakage as lines, one panel a threshold.

    Args:
        curves: As `benchmarks.models.sensitivity.sweep` makes them.
        thresholds: Where the policy has each.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "sensitivity"}):
        figure = Figure(figsize=(12, 3.6), layout="constrained")
        for axes, (name, rows) in zip(figure.subplots(1, len(curves), sharey=True), curves.items(), strict=True):
            _panel(axes, name, rows)
            axes.axvline(thresholds[name], color=INK, linewidth=1, alpha=0.6)
            axes.text(thresholds[name], 1.02, "policy", ha="center", fontsize=8)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(WORDS) + len(_LINES))
        return svg(figure, "Verdicts, errors, deferral and leakage as each threshold of the policy moves")


def _panel(axes: Axes, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    values = [row["value"] for row in rows]
    areas = [[row[word] for row in rows] for word in WORDS]
    axes.stackplot(values, areas, colors=[_COLOURS[word] for word in WORDS], alpha=0.45, labels=WORDS)
    for word, style in _LINES.items():
        known = [(row["value"], row[word]) for row in rows if row[word] is not None]
        axes.plot(*zip(*known, strict=True), color=INK, linestyle=style, linewidth=1.6, label=word)
    axes.set_title(name, pad=16)
    axes.set(xlabel=name, xlim=(values[0], values[-1]), ylim=(0, 1))


def forms(rows: Sequence[Mapping[str, Any]]) -> str:
    """One face in milliseconds, memory and file size, a line for each form and number of threads."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "forms"}):
        figure = Figure(figsize=(12, 0.9 + 0.3 * len(rows)), layout="constrained")
        times, memory, size = figure.subplots(1, 3, sharey=True)
        places = range(len(rows))
        times.hlines(places, [row["p50_ms"] for row in rows], [row["p95_ms"] for row in rows], color=INK, linewidth=2,
                     alpha=0.45)  # fmt: skip
        times.plot([row["p50_ms"] for row in rows], places, "o", color=INK, markersize=5)
        times.set(title="One face", xlabel="ms, p50 (dot) to p95 (line)")
        memory.barh(places, [row["peak_mb"] for row in rows], color=REAL, alpha=0.7, height=0.6)
        memory.set(title="Peak memory, single faces", xlabel="MB")
        size.barh(places, [row["megabytes"] for row in rows], color=REAL, alpha=0.7, height=0.6)
        size.set(title="Files of the networks", xlabel="MB")
        times.set_yticks(places, [with_threads(row["form"], row["threads"]) for row in rows])
        times.set_ylim(len(rows) - 0.5, -0.5)
        for axes in (times, memory, size):
            axes.set_xlim(left=0)
            axes.grid(axis="x", color=FAINT, alpha=0.3)
        return svg(figure, "Latency, peak memory and file size of every form")
