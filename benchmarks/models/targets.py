"""The figures that have targets, and whether they are met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.models.bench import BASE, REFERENCE
from benchmarks.models.timing import ALWAYS_ON


@dataclass(frozen=True)
class Target:
    """One figure.

    Attributes:
        words: What it is.
        value: What was measured; None where it was not.
        limit: What is wanted.
        least: Whether `limit` is the least and not the most.
        form: How both are written.
    """

    words: str
    value: float | None
    limit: float
    least: bool
    form: str

    @property
    def met(self) -> bool | None:
        """Whether it is as wanted; None where it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.least else self.value <= self.limit

    @property
    def wanted(self) -> str:
        """The limit in words."""
        return f"{'at least' if self.least else 'at most'} {self.form.format(self.limit)}"

    @property
    def found(self) -> str:
        """The value in words."""
        return "not measured" if self.value is None else self.form.format(self.value)


def targets(report: Mapping[str, Any]) -> list[Target]:
    """The targets of a report; those of speed and memory are of the served models on one thread."""
    served: Mapping[str, Any] = next(
        (row for row in report["forms"] if row["form"] == BASE and row["threads"] == 1), {}
    )
    auc = report["efficiency"]["auc"]
    losses = [row["auc_loss"] for row in report["stages"] if row["form"] == BASE and row["auc_loss"] is not None]
    faster = served.get("faster_than", {})
    return [
        Target("ECE on held-out people", report["held_out"]["pooled"]["ece"], 0.05, False, "{:.3f}"),
        Target("AUC that the cascade loses against every stage on every face", auc["every_stage"] - auc["cascade"],
               0.005, False, "{:.4f}"),
        Target("its time against every stage on every face", served.get("cost"), 0.35, False, "{:.0%}"),
        Target("files against those in FP32", served.get("share_of_fp32"), 0.25, False, "{:.1%}"),
        Target("largest AUC loss of a stage against FP32, any subset", max(losses, default=None), 0.005, False,
               "{:.4f}"),
        Target("times as fast as the cascade in FP32", faster.get(REFERENCE), 3, True, "{:.1f}"),
        Target("times as fast as every stage in eager PyTorch", faster.get(ALWAYS_ON), 10, True, "{:.1f}"),
        Target("one face through the cascade, one thread, p95", served.get("p95_ms"), 100, False, "{:.0f} ms"),
        Target("peak memory with single faces, one thread", served.get("peak_mb"), 512, False, "{:.0f} MB"),
    ]  # fmt: skip
