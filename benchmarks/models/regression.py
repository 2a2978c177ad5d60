"""Whether a run is worse than a former one by more than is allowed.

Times are not compared between runs: a machine is never as quiet twice. What is compared is how many times as fast one
form was as another within each run, and only between runs on the same processor. Accuracy and sizes are compared as
they are, and accuracy only on the same faces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from awarenet.errors import DataError
from benchmarks.models.forms import with_threads

_PARTS: Final = {"held_out": "held-out people", "manifest": "test pictures"}
"""Parts of a report with figures by subset, and how their figures are called."""

Key = tuple[str, str]
"""Kind of a figure, and what it is a figure of."""


@dataclass(frozen=True)
class Kind:
    """What is compared, and how much worse it may become.

    Attributes:
        words: What it is.
        worse: The direction in which it becomes worse.
        tolerance: How far it may go that way: of its former value where `relative`, else as it is.
        relative: See `tolerance`.
        of_machine: Whether it depends on the processor.
    """

    words: str
    worse: Literal["lower", "higher"]
    tolerance: float
    relative: bool = False
    of_machine: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "auc": Kind("AUC", "lower", 0.005),
    "eer": Kind("EER", "higher", 0.01),
    "ece": Kind("ECE", "higher", 0.01),
    "brier": Kind("Brier score", "higher", 0.005),
    "leakage": Kind("leakage", "higher", 0.005),
    "stage_2": Kind("share of faces that need stage 2", "higher", 0.05),
    "auc_loss": Kind("AUC lost against FP32", "higher", 0.005),
    "flips": Kind("faces on another side than in FP32", "higher", 0.01),
    "megabytes": Kind("files, MB", "higher", 0.02, relative=True),
    "peak_mb": Kind("peak memory, MB", "higher", 0.10, relative=True),
    "faster_than": Kind("times as fast", "lower", 0.15, relative=True, of_machine=True),
    "cost": Kind("cost of the cascade against every stage", "higher", 0.15, relative=True, of_machine=True),
    "batch_gain": Kind("faces/s in batches against one by one", "lower", 0.15, relative=True, of_machine=True),
}
"""Every kind of figure that the gate looks at."""


@dataclass(frozen=True)
class Former:
    """A former report.

    Attributes:
        name: What it is called, in words.
        report: Its content.
    """

    name: str
    report: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Former:
        """Reads the JSON file of a run.

        Raises:
            DataError: It cannot be read, or is something else.
        """
        try:
            former = cls(path.name, json.loads(path.read_text(encoding="utf-8")))
            former.compare(former.report)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"--against {path}: no report of this version of `python -m benchmarks models` ({error!r}); make it "
                "again"
            ) from error
        return former

    def check_faces(self, sha256: str) -> None:
        """Refuses a report that was made with other faces.

        Raises:
            DataError: It was.
        """
        if self._faces != sha256:
            raise DataError(
                f"--against {self.name}: measured on other faces; give the same --crops and --faces, or make it again"
            )

    def compare(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Holds a run against this one.

        Args:
            report: Of the run, on the same faces.

        Returns:
            `against`, `model_version`, `date`, `passed`, `changes` (each with `kind`, `of`, `before`, `after`,
            `allowed`, and `status`: `same`, `better`, `worse`, `over` the tolerance, `gone`, `new`) and `notes`. A
            figure that is gone does not pass.
        """
        this, notes = Former("this run", report), []
        old, new = _figures(self.report), _figures(report)
        ignored: set[Key] = set()
        if self._device != this._device:
            ignored |= {key for key in {**old, **new} if KINDS[key[0]].of_machine}
            notes.append(f"Ratios of times are not compared: {self.name} is of another machine ({self._device[0]}).")
        if None not in (self._manifest, this._manifest) and self._manifest != this._manifest:
            ignored |= {key for key in {**old, **new} if key[1].startswith(_PARTS["manifest"])}
            notes.append(f"Test pictures are not compared: {self.name} scored another manifest, or other files of it.")
        changes = [_change(key, old.get(key), new.get(key)) for key in {**old, **new} if key not in ignored]
        return {
            "against": self.name,
            "model_version": self.report["model_version"],
            "date": self.report["date"],
            "passed": not any(change["status"] in ("over", "gone") for change in changes),
            "changes": changes,
            "notes": notes,
        }

    @property
    def _faces(self) -> str:
        return str(self.report["held_out"]["sha256"])

    @property
    def _device(self) -> tuple[Any, ...]:
        described = self.report["machine"]
        return described["cpu"], tuple(described["flags"]), described["cores"]

    @property
    def _manifest(self) -> tuple[Any, ...] | None:
        content = self.report["manifest"]
        return content and (content["sha256"], content["rows_used"], content["face_engine"])


def _change(key: Key, before: float | None, after: float | None) -> dict[str, Any]:
    kind = KINDS[key[0]]
    change: dict[str, Any] = {"kind": key[0], "of": key[1], "before": before, "after": after, "allowed": None}
    if before is None or after is None:
        return change | {"status": "new" if before is None else "gone"}
    allowed = kind.tolerance * (abs(before) if kind.relative else 1)
    worsening = (after - before) * (1 if kind.worse == "higher" else -1)
    limit = before + allowed * (1 if kind.worse == "higher" else -1)
    status = "over" if worsening > allowed + 1e-12 else "worse" if worsening > 0 else "better" if worsening else "same"
    return change | {"allowed": limit, "status": status}


def _figures(report: Mapping[str, Any]) -> dict[Key, float]:
    """Every figure that is compared and exists."""
    return {key: float(value) for key, value in _all(report) if value is not None}


def _all(report: Mapping[str, Any]) -> Iterator[tuple[Key, float | None]]:
    for part, words in _PARTS.items():
        content = report[part] or {}
        named = {**content.get("subsets", {}), **content.get("pairs", {})}
        if part == "held_out":
            named["all"] = content["pooled"]
        for subset, entry in named.items():
            for kind in ("auc", "eer", "ece", "brier", "leakage"):
                yield (kind, f"{words}: {subset}"), entry[kind]
    yield ("stage_2", "held-out people"), report["efficiency"]["stage_2"]
    for row in report["forms"]:
        yield ("megabytes", row["form"]), row["megabytes"]
        yield ("auc_loss", row["form"]), row["auc_loss"]
        yield ("flips", row["form"]), row["flips"]
        name = with_threads(row["form"], row["threads"])
        yield ("peak_mb", name), row["peak_mb"]
        yield ("cost", name), row["cost"]
        yield ("batch_gain", name), row["faces_per_s"]["32"] / row["faces_per_s"]["1"]
        for other, ratio in row["faster_than"].items():
            yield ("faster_than", f"{name}, against {other}"), ratio
    for row in report["stages"]:
        name = f"{row['stage']}, {row['form']}"
        yield ("megabytes", name), row["megabytes"]
        yield ("auc_loss", name), row["auc_loss"]
        yield ("flips", name), row["flips"]
        yield ("faster_than", f"{name}, against onnx-fp32"), row["faster_than_fp32"]
