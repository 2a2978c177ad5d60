"""One evaluation from manifest to report: read, score, summarise, write."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
import pandas as pd

import awarenet
from awarenet.errors import ReportError
from awarenet.evaluation.manifest import read_manifest
from awarenet.evaluation.report import render
from awarenet.evaluation.scoring import Detects, PartialScores, Score, score_all
from awarenet.evaluation.summary import RESAMPLES, summarise
from awarenet.policy import Policy, file_sha256
from awarenet.stages import Route

FEW_GROUPS: Final = 20
"""Below this many groups the report warns about the interval."""

SCORE_COLUMNS: Final = (
    "path",
    "label",
    "subset",
    "method",
    "group",
    "probability",
    "verdict",
    "exit_stage",
    "fast_filter",
    "faces",
    "error",
    "error_code",
)


@dataclass(frozen=True)
class Task:
    """What to evaluate.

    Attributes:
        manifest: The manifest; see `awarenet.evaluation.manifest.read_manifest`.
        root: The folder that its paths are relative to.
        out: The folder for `scores.csv`, `report.json` and `report.html`; made where absent.
        route: `cascade` or `full`.
        frames: Most frames of a clip whose faces are scored.
        subsets: The subsets to score; all when empty.
        limit: The most files to score; None scores all.
        reals: Subsets whose reals stand in for subsets that have fakes alone.
        workers: Threads that decode and score.
    """

    manifest: Path
    root: Path
    out: Path
    route: Route = "cascade"
    frames: int = 24
    subsets: Sequence[str] = ()
    limit: int | None = None
    reals: Sequence[str] = ()
    workers: int = 2


@dataclass(frozen=True)
class Engine:
    """What scores the files.

    Attributes:
        open_detector: Makes a detector; called once in each worker thread.
        policy: The thresholds in force.
        runtime: Where the cascade runs, in words, such as `in-process`.
        faces: The face detector's name.
    """

    open_detector: Callable[[], Detects]
    policy: Policy
    runtime: str
    faces: str


def evaluate(
    task: Task, engine: Engine, *, scored: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """Scores the manifest and writes `scores.csv`, `report.json` and `report.html`.

    A run that is interrupted leaves `scores.<key>.partial.csv` in the output folder; the same task with the same models
    goes on from there.

    Args:
        task: What to evaluate.
        engine: What scores the files.
        scored: Called with the number of files done and of all files, first with those that a former run had done.

    Returns:
        The content of `report.json`.

    Raises:
        DataError: The manifest cannot be used.
        ReportError: The output folder cannot be written; no result is half-written.
        Unavailable: The server is gone; what was scored is kept.
    """
    rows = read_manifest(task.manifest, subsets=task.subsets, limit=task.limit)
    make_folder(task.out)
    partial = PartialScores(task.out / f"scores.{_key(task, engine)}.partial.csv")
    try:
        scores = {path: partial.done[path] for path in rows["path"] if path in partial.done}
        scored(len(scores), len(rows))
        remaining = [path for path in rows["path"] if path not in scores]
        for score in score_all(remaining, task.root, engine.open_detector, route=task.route, workers=task.workers):
            partial.add(score)
            scores[score.path] = score
            scored(len(scores), len(rows))
        table = _table(rows, scores)
        report = _describe(task, engine, table) | summarise(table, engine.policy, reals=task.reals)
        report["limits"] = _limits(report)
        write_all(
            task.out,
            {
                "scores.csv": table.to_csv(index=False, lineterminator="\n"),
                "report.html": render(report, table, engine.policy),
                "report.json": json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
            },
        )
        partial.remove()
        return report
    finally:
        partial.close()


def make_folder(folder: Path) -> None:
    """Makes the output folder.

    Raises:
        ReportError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"evaluation: cannot make {folder} ({error}); choose another --out") from error


def write_all(folder: Path, files: Mapping[str, str]) -> None:
    """Writes text files so that either all of them are there in full or none is touched by a failed write.

    Raises:
        ReportError: The disk is full or read-only.
    """
    fresh = {name: folder / f".{name}.{os.getpid()}.new" for name in files}
    try:
        for name, text in files.items():
            with fresh[name].open("w", encoding="utf-8", newline="") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
        for name, path in fresh.items():
            path.replace(folder / name)
    except OSError as error:
        raise ReportError(
            f"evaluation: cannot write to {folder} ({error}); free space, then run the same command to go on"
        ) from error
    finally:
        for path in fresh.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _key(task: Task, engine: Engine) -> str:
    """Names what a score depends on besides the file: a partial table under another key is not continued."""
    parts = [engine.policy.model_version, engine.policy.version, engine.faces, task.route, str(task.frames)]
    return hashlib.sha256("\n".join([*parts, str(task.root.resolve())]).encode()).hexdigest()[:12]


def _table(rows: pd.DataFrame, scores: Mapping[str, Score]) -> pd.DataFrame:
    table = rows.merge(pd.DataFrame([asdict(scores[path]) for path in rows["path"]]), on="path", validate="1:1")
    numbers = {"probability": "float64", "fast_filter": "float64", "exit_stage": "Int64"}
    return table.astype(numbers)[list(SCORE_COLUMNS)]


def _describe(task: Task, engine: Engine, table: pd.DataFrame) -> dict[str, Any]:
    failed = table["error_code"][table["error_code"] != ""]
    return {
        "model_version": engine.policy.model_version,
        "policy_version": engine.policy.version,
        "policy": json.loads(engine.policy.to_json()),
        "runtime": engine.runtime,
        "route": task.route,
        "face_engine": engine.faces,
        "frames": task.frames,
        "reals": list(task.reals),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "manifest": {
            "path": str(task.manifest),
            "sha256": file_sha256(task.manifest),
            "rows": len(read_manifest(task.manifest)),
            "rows_used": len(table),
        },
        "environment": {
            "awarenet": awarenet.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "onnxruntime": onnxruntime.__version__,
            "machine": f"{platform.system()} {platform.machine()}",
        },
        "n_failed": len(failed),
        "failures": {str(code): int(count) for code, count in failed.value_counts().items()},
    }


def _limits(report: Mapping[str, Any]) -> list[str]:
    """What a reader must know before believing the figures, in words."""
    remarks = []
    used, rows = report["manifest"]["rows_used"], report["manifest"]["rows"]
    if used < rows:
        remarks.append(f"Only {used} of the manifest's {rows} files were scored (--subset or --limit).")
    few = [name for name, entry in report["subsets"].items() if entry["n_groups"] < FEW_GROUPS]
    if few:
        remarks.append(
            f"Fewer than {FEW_GROUPS} independent groups: {', '.join(few)}. The intervals of so few people or clips "
            "are rough, and a new one can move the figures a lot."
        )
    single = [name for name, entry in report["subsets"].items() if entry["auc"] is None]
    if single:
        remarks.append(f"One class alone, so no AUC of their own: {', '.join(single)}.")
    remarks.append(
        f"Intervals come from {RESAMPLES} bootstrap draws of whole groups: files of one person or clip are alike."
    )
    if report["n_failed"]:
        remarks.append(f"{report['n_failed']} files failed and carry no score.")
    return remarks
