"""The evaluation as a page: tables with intervals, plots, and plain words about what limits the figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jinja2
import pandas as pd

from awarenet.evaluation import plots
from awarenet.evaluation.summary import AGAINST, pair_up
from awarenet.policy import Policy


def render(report: Mapping[str, Any], scores: pd.DataFrame, policy: Policy) -> str:
    """The self-contained HTML page.

    Args:
        report: The content of `report.json`.
        scores: The score table behind it.
        policy: The thresholds in force.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("awarenet.evaluation", ""), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["share"] = _share
    environment.filters["figure"] = _figure
    environment.filters["short"] = _short
    rows = dict(iter(scores.groupby("subset", sort=True))) | pair_up(scores, report["reals"])
    return environment.get_template("report.html").render(
        report=report,
        policy=policy,
        overview=plots.intervals(report["subsets"] | _named_methods(report) | _named_pairs(report)),
        panels={name: plots.panels(str(name), part, policy) for name, part in rows.items()},
        pooled_panels=plots.panels("pooled", scores, policy) if len(report["subsets"]) > 1 else None,
    )


def _named_methods(report: Mapping[str, Any]) -> dict[str, Any]:
    """Methods that add something to their subset's own line."""
    several = {
        name: entry
        for name, entry in report["methods"].items()
        if entry["n_fake"] < report["subsets"][entry["subset"]]["n_fake"]
    }
    return {f"{name} (in {entry['subset']})": entry for name, entry in several.items()}


def _named_pairs(report: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{_short(name)} (borrowed reals)": entry for name, entry in report["pairs"].items()}


def _short(name: str) -> str:
    """The name of a pair without its reals, where they have been named once for all pairs."""
    return name.split(AGAINST)[0]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
