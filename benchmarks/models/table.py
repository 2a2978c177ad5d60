"""The report in short, for people at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.models.regression import KINDS
from benchmarks.models.targets import targets


def show(report: Mapping[str, Any], console: Console) -> None:
    """Prints targets, forms, what got worse, and what was left out."""
    table = Table(title="models", title_justify="left", header_style="bold", show_edge=False)
    for name in ("figure", "measured", "wanted", ""):
        table.add_column(name)
    for target in targets(report):
        words = {None: "-", True: "met", False: "[bold red]missed[/]"}[target.met]
        table.add_row(target.words, target.found, target.wanted, words)
    console.print(table)
    rows = Table(title="one face through the cascade", title_justify="left", header_style="bold", show_edge=False)
    for name in ("form", "threads", "p50, p95 ms", "faces/s by 32", "peak MB", "files MB", "AUC"):
        rows.add_column(name)
    for row in report["forms"]:
        rows.add_row(
            row["form"],
            str(row["threads"]),
            f"{row['p50_ms']:.1f}, {row['p95_ms']:.1f}",
            f"{row['faces_per_s']['32']:.1f}",
            f"{row['peak_mb']:.0f}",
            f"{row['megabytes']:.1f}",
            "-" if row["auc"] is None else f"{row['auc']:.4f}",
        )
    console.print(rows)
    against = report["against"]
    if against:
        _show_changes(against, console)
    machine = report["machine"]
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, {' '.join(machine['flags'])}; load before "
        f"{machine['load_before']}, after {report['load_after']}; models {report['model_version']}",
        style="dim",
    )
    for name, why in report["left_out"].items():
        console.print(f"not measured: {name}: {why}", style="yellow", markup=False)


def _show_changes(against: Mapping[str, Any], console: Console) -> None:
    for note in against["notes"]:
        console.print(note, style="yellow", markup=False)
    refused = [change for change in against["changes"] if change["status"] in ("over", "gone")]
    if not refused:
        console.print(f"against {against['against']}: nothing is worse by more than is allowed", markup=False)
        return
    table = Table(title=f"against {against['against']}: worse than allowed", title_justify="left", style="red")
    for name in ("figure", "of", "before", "now", "worst allowed"):
        table.add_column(name)
    for change in refused:
        numbers = ("-" if change[key] is None else f"{change[key]:.4g}" for key in ("before", "after", "allowed"))
        table.add_row(KINDS[change["kind"]].words, change["of"], *numbers)
    console.print(table)
