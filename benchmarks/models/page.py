"""The report as one HTML page that needs nothing beside it."""

from __future__ import annotations

from typing import Any

import jinja2

from awarenet.evaluation import plots as evaluation_plots
from benchmarks.models import plots
from benchmarks.models.bench import BASE, REFERENCE, Result
from benchmarks.models.regression import KINDS
from benchmarks.models.targets import targets
from benchmarks.models.timing import ALWAYS_ON
from export.difference import QUANTISED


def render(result: Result) -> str:
    """The page.

    Args:
        result: Of a run; its report may carry `against`, as `benchmarks.models.regression.compare` makes it.
    """
    report = result.report
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmarks.models", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": _share,
        "figure": _figure,
        "ms": _ms,
        "times": _times,
        "loss": _loss,
        "plain": _plain,
    }
    held_out, manifest = report["held_out"], report["manifest"]
    overview = {f"held-out: {name}": entry for name, entry in (held_out["subsets"] | held_out["methods"]).items()}
    overview |= {"held-out: all": held_out["pooled"]}
    if manifest:
        overview |= manifest["subsets"] | manifest["pairs"]
    return environment.get_template("report.html").render(
        report=report,
        held_out=held_out["subsets"] | {"all": held_out["pooled"]},
        targets=targets(report),
        kinds=KINDS,
        tolerance=QUANTISED,
        base=BASE,
        reference=REFERENCE,
        always_on=ALWAYS_ON,
        overview=evaluation_plots.intervals(overview),
        panels=evaluation_plots.panels("held-out people", result.table, result.policy),
        forms=plots.forms(report["forms"]),
        sensitivity=plots.sensitivity(report["sensitivity"], report["thresholds"]),
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _plain(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}"
