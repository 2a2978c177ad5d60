"""The result as one table for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

TARGETS = {
    "triton_over_inprocess_throughput": ("Triton / in-process, throughput at saturation", ">= 0.95"),
    "triton_added_p50_ms": ("added by Triton at p50, one caller, ms", "<= 2"),
    "cascade_int8_over_eager_ensemble": ("cascade in Triton / eager FP32 ensemble, throughput", ">= 10"),
    "serving_tree_rss_mb": ("serving process tree, resident, MB", "<= 512"),
}


def show(result: Mapping[str, Any], console: Console) -> None:
    """Prints the result of a run.

    Args:
        result: What is written to the JSON file.
        console: Where to.
    """
    table = Table(title="AWARE-NET benchmark", title_justify="left", header_style="bold", show_edge=False)
    for name, justify in (("", "left"), ("figure", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    sections = (
        _headlines(result),
        _contenders(result),
        _stages(result["stages"]),
        _growth(result["growth"]),
        _memory(result["memory"]),
    )
    for title, rows in zip(("targets", "contenders", "stages, 1 thread", "growth", "memory"), sections, strict=True):
        table.add_section()
        table.add_row(f"[bold]{title}[/bold]", "", "")
        for row in rows:
            table.add_row(*row)
    console.print(table)
    machine, share = result["machine"], 100 * result["share_deferred"]
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, {' '.join(machine['flags'])}; "
        f"load before {machine['load_before']}; {share:.0f} % of faces deferred; models {result['model_version']}",
        style="dim",
    )
    for name, why in result["skipped"].items():
        console.print(f"not measured: {name}: {why}", style="yellow")


Row = tuple[str, str, str]


def _headlines(result: Mapping[str, Any]) -> Iterable[Row]:
    for key, (words, target) in TARGETS.items():
        value = result[key]
        yield words, "not measured" if value is None else f"{value:.2f}", f"target {target}"


def _contenders(result: Mapping[str, Any]) -> Iterable[Row]:
    for name, entry in result["saturation"].items():
        sure, deferred = (result["latency"][kind][name] for kind in ("sure", "deferred"))
        yield (
            name,
            f"{entry['faces_per_s']:.1f} faces/s",
            f"{entry['callers']} callers; one face, p50 / p99: sure {sure['p50_ms']:.1f} / {sure['p99_ms']:.1f} ms, "
            f"deferred {deferred['p50_ms']:.1f} / {deferred['p99_ms']:.1f} ms",
        )


def _stages(stages: Mapping[str, Any]) -> Iterable[Row]:
    for stage, precisions in stages.items():
        for precision, entry in precisions.items():
            yield (
                f"{stage} {precision}",
                f"{entry['batch_1_ms']:.2f} ms",
                f"batch of 8: {entry['batch_8_ms']:.1f} ms; file {entry['mb']:.2f} MB",
            )


def _growth(growth: Mapping[str, Any]) -> Iterable[Row]:
    units = {"batch": "faces/s", "deferred": "faces/s", "faces_per_picture": "ms"}
    for what, contenders in growth.items():
        for name, numbers in contenders.items():
            yield (
                f"{what}: {name}",
                units[what],
                "  ".join(f"{value}: {number:.1f}" for value, number in numbers.items()),
            )


def _memory(memory: Mapping[str, Any]) -> Iterable[Row]:
    for name, tree in memory.items():
        yield f"{name}, resident", f"{tree['rss_mb']:.0f} MB", f"{tree['pss_mb']:.0f} MB with shared pages counted once"
        for process in tree["processes"]:
            yield f"  {process['name'][:60]}", f"{process['rss_mb']:.0f} MB", f"{process['pss_mb']:.0f} MB"
