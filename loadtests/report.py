"""HTML reports with plots, each one file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_PAGE: Final = Path(__file__).with_name("report.html")

Draw = Callable[[Axes], None]


def write_curve(out: Path, result: Mapping[str, Any]) -> None:
    """Writes the report of `curve`.

    Args:
        out: The file.
        result: As `loadtests.curve.measure`.
    """
    points = result["points"]
    offered = [point["offered_per_s"] for point in points]

    def latency(axes: Axes) -> None:
        for name in ("p50", "p95", "p99"):
            axes.plot(offered, [point["accepted_ms"][name] for point in points], marker="o", label=name)
        axes.axhline(500, color="grey", linestyle=":", label="500 ms")
        axes.set(ylabel="accepted, ms from the instant it was due", yscale="log")

    def goodput(axes: Axes) -> None:
        axes.plot(offered, [point["goodput_per_s"] for point in points], marker="o", label="answered")
        axes.plot(offered, [point["refused_share"] * point["offered_per_s"] for point in points], label="refused")
        axes.plot(offered, offered, color="grey", linestyle=":", label="offered")
        axes.set(ylabel="pictures/s")

    rows = [
        (
            f"{point['load']:g}",
            f"{point['offered_per_s']:.1f}",
            f"{point['goodput_per_s']:.1f}",
            f"{100 * point['refused_share']:.1f} %",
            *(_number(point["accepted_ms"][name]) for name in ("p50", "p95", "p99", "p99.9")),
            point["errors"],
            point["wrong_verdicts"],
        )
        for point in points
    ]
    head = ("load", "offered/s", "answered/s", "refused", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "errors", "wrong")
    at_knee = result["knee_per_s"]
    summary = f"Saturation at {result['saturation_per_s']:.1f} pictures/s; " + (
        "no rate meets the target." if at_knee is None else f"p95 stays under 500 ms up to {at_knee:.1f} pictures/s."
    )
    drawn = [plot("offered pictures/s", draw) for draw in (latency, goodput)]
    _write(out, "Latency and goodput against the offered rate", summary, drawn, head, rows, result)


def plot(xlabel: str, draw: Draw) -> Markup:
    """A plot as SVG."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.set_xlabel(xlabel)
    axes.grid(alpha=0.3)
    axes.legend()
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(stream, format="svg")
    return Markup(stream.getvalue()[stream.getvalue().index("<svg") :])


def _write(
    out: Path,
    title: str,
    summary: str,
    plots: Sequence[Markup],
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    result: Mapping[str, Any],
) -> None:
    page = jinja2.Environment(autoescape=True).from_string(_PAGE.read_text(encoding="utf-8"))
    everything = json.dumps(result, indent=2)
    text = page.render(title=title, summary=summary, plots=plots, head=head, rows=rows, everything=everything)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
