"""The kinds of panels that the dashboards are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from grafana_foundation_sdk.builders import bargauge, gauge, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import common as common_builder
from grafana_foundation_sdk.builders import dashboard as builder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model

SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The Prometheus that is chosen above."""

Query: TypeAlias = tuple[str, str]
"""PromQL, and the legend."""

Panel: TypeAlias = timeseries.Panel | stat.Panel | gauge.Panel | bargauge.Panel


def lines(
    title: str, what: str, unit: str, *queries: Query, stacked: bool = False, limit: float | None = None
) -> timeseries.Panel:
    """Curves over time; `limit` draws a line at what is allowed."""
    panel = (
        timeseries.Panel()
        .legend(common_builder.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).show_legend(True))
        .tooltip(common_builder.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
        .fill_opacity(30 if stacked else 5)
        .min(0)
        .span(12)
    )
    if stacked:
        panel = panel.stacking(common_builder.StackingConfig().mode(common.StackingMode.NORMAL).group("all"))
    if limit is not None:
        panel = panel.thresholds(_limits(limit)).thresholds_style(
            common_builder.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.LINE)
        )
    return _common(panel, title, what, unit, queries)


def number(title: str, what: str, unit: str, query: str, *, limit: float | None = None) -> stat.Panel:
    """One number, the last one."""
    panel = stat.Panel().span(6).height(5)
    return _common(panel.thresholds(_limits(limit)), title, what, unit, [(query, "")])


def dial(title: str, what: str, query: str, legend: str, *, limit: float) -> gauge.Panel:
    """A share from nothing to all."""
    panel = gauge.Panel().span(6).height(5).min(0).max(1).thresholds(_limits(limit))
    return _common(panel, title, what, "percentunit", [(query, legend)])


def bars(title: str, what: str, unit: str, *queries: Query) -> bargauge.Panel:
    """Values beside each other, the last ones."""
    panel = bargauge.Panel().span(12).min(0).orientation(common.VizOrientation.HORIZONTAL)
    return _common(panel, title, what, unit, queries)


def _limits(limit: float | None) -> builder.ThresholdsConfig:
    steps = [model.Threshold(color="green", value=None)]
    if limit is not None:
        steps.append(model.Threshold(color="red", value=limit))
    return builder.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _common(panel: Any, title: str, what: str, unit: str, queries: Sequence[Query]) -> Any:
    panel = panel.title(title).description(what).unit(unit).datasource(SOURCE)
    for letter, (query, legend) in zip("ABCDEFGH", queries, strict=False):
        target = prometheus.Dataquery().expr(query).legend_format(legend or "value").ref_id(letter)
        panel = panel.with_target(target.range())
    return panel
