"""`awarenet evaluate`: scores a labelled manifest and reports how good the scores are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import cv2
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from awarenet.detector import DEFAULT_FRAMES, Detector
from awarenet.errors import AwareNetError, DataError, InvalidInput
from awarenet.evaluation import evaluation
from awarenet.evaluation.evaluation import Engine, Task
from awarenet.face_engines import Engine as FaceEngineName
from awarenet.face_engines import create_detector
from awarenet.options import (
    BAD_USAGE,
    INTERRUPTED,
    SOME_FAILED,
    FaceEngine,
    Frames,
    InProcess,
    Repository,
    RouteChoice,
    Server,
)
from awarenet.runtime import Runtime
from awarenet.runtime.choice import DEFAULT_REPOSITORY, open_runtime
from awarenet.runtime.inprocess import InProcessRuntime


def evaluate(
    manifest: Annotated[Path, typer.Argument(help="CSV with path,label,subset,method,group.")],
    root: Annotated[Path, typer.Option(help="Folder that the manifest's paths are relative to.")],
    out: Annotated[Path, typer.Option(help="Folder for scores.csv, report.json and report.html.")],
    in_process: InProcess = False,
    server: Server = None,
    model_repository: Repository = DEFAULT_REPOSITORY,
    route: RouteChoice = "cascade",
    frames: Frames = DEFAULT_FRAMES,
    face_engine: FaceEngine = "auto",
    subset: Annotated[list[str] | None, typer.Option(help="Score this subset alone; repeat for more.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score at most so many files, from every subset.")] = None,
    reals: Annotated[
        list[str] | None, typer.Option(help="Subset whose reals stand in where a subset has fakes alone; repeat.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Files decoded and scored at once.")] = 2,
) -> None:
    """Scores a labelled manifest and writes scores.csv, report.json and report.html.

    Exit code 0 when every file was scored, 3 when some failed, 2 for a manifest or option that cannot be used. A run
    that was stopped goes on where it was when the same command is given again.
    """
    cv2.setNumThreads(1)
    console = Console(stderr=True)
    task = Task(manifest, root, out, route, frames, tuple(subset or ()), limit, tuple(reals or ()), workers)
    try:
        runtime = open_runtime(server, in_process, model_repository)  # one thread a call: the workers fill the cores
        try:
            report = _run(task, runtime, face_engine, console)
        finally:
            runtime.close()
    except AwareNetError as error:
        console.print(f"awarenet evaluate: {error}", style="red", markup=False)
        raise typer.Exit(BAD_USAGE if isinstance(error, DataError | InvalidInput) else 1) from error
    except KeyboardInterrupt:
        console.print("stopped; what was scored is kept: give the same command again to go on")
        raise typer.Exit(INTERRUPTED) from None
    _show(report, Console())
    console.print(f"report: {out / 'report.html'}", markup=False)
    if report["n_failed"]:
        raise typer.Exit(SOME_FAILED)


def _run(task: Task, runtime: Runtime, face_engine: FaceEngineName, console: Console) -> dict[str, Any]:
    engine = Engine(
        lambda: Detector(runtime, create_detector(face_engine), frames=task.frames),
        runtime.policy,
        "this process" if isinstance(runtime, InProcessRuntime) else "a Triton server",
        create_detector(face_engine).name,
    )
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("scoring", total=None)
        return evaluation.evaluate(
            task, engine, scored=lambda done, total: progress.update(bar, completed=done, total=total)
        )


def _show(report: dict[str, Any], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for name in ("files", "fake", "failed", "AUC (95 %)", "ECE", "leakage", "deferred"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, entry in (report["subsets"] | report["pairs"]).items():
        area = _number(entry["auc"])
        if entry["auc_low"] is not None:
            area += f" ({entry['auc_low']:.3f}-{entry['auc_high']:.3f})"
        shares = (entry["ece"], entry["leakage"], entry["exit_shares"]["meta_model"])
        counts = (entry["n"], entry["n_fake"], entry["n_failed"])
        table.add_row(name, *map(str, counts), area, *map(_number, shares))
    console.print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
