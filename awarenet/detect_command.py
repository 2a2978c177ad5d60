"""`awarenet detect`: scores files and folders, for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import cv2
import numpy as np
import structlog
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from awarenet.delivery import NOT_STARTED, complain, deliver
from awarenet.detector import DEFAULT_FRAMES, Detector
from awarenet.errors import AwareNetError, InvalidInput, ReportError
from awarenet.face_engines import create_detector
from awarenet.heatmap import Expected, explain, overlay
from awarenet.media.folders import looks_like_media, walk
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
from awarenet.report import HtmlReport
from awarenet.runtime import Runtime
from awarenet.runtime.choice import DEFAULT_REPOSITORY, open_runtime
from awarenet.stages import ExitStage, Route
from awarenet.verdict import Verdict

_WIDTH = 10_000
"""Most columns of the table where it does not go to a terminal: a row stays one line."""

_STYLES: Final = {"fake": "bold red", "real": "green", "uncertain": "yellow", "no_face": "dim"}

_log = structlog.get_logger("detect")


def detect(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, clips, and folders of them.")],
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a file, on stdout, as soon as it is there.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write a report to look at.")] = None,
    heatmap: Annotated[
        bool, typer.Option("--heatmap", help="Show in the report where scores come from; seconds a face.")
    ] = False,
    route: RouteChoice = "cascade",
    in_process: InProcess = False,
    server: Server = None,
    model_repository: Repository = DEFAULT_REPOSITORY,
    frames: Frames = DEFAULT_FRAMES,
    face_engine: FaceEngine = "auto",
) -> None:
    """Scores pictures and clips, folders recursively.

    Exit code 0 when all were scored, 3 when some failed (the rest is delivered), 2 for bad usage.
    """
    cv2.setNumThreads(1)
    try:
        if heatmap and html is None:
            raise InvalidInput("--heatmap is shown in a report; name one with --html")
        files = list(find_files(paths))
        runtime = open_runtime(server, in_process, model_repository)
    except AwareNetError as error:
        complain("detect", error)
        raise typer.Exit(BAD_USAGE if isinstance(error, InvalidInput) else NOT_STARTED) from error
    try:
        detector = Detector(runtime, create_detector(face_engine), frames=frames)
        report = HtmlReport(runtime.policy, heatmap=_heatmap(runtime) if heatmap else None) if html else None
        verdicts: list[Verdict] = []
        try:
            for verdict in _progress(files, detector, route):
                verdicts.append(verdict)
                if json:
                    deliver("detect", verdict.to_json() + "\n")
                if report:
                    report.add(verdict)
        except KeyboardInterrupt:
            complain("detect", "stopped; what was scored so far follows")
        if not json:
            deliver("detect", table(verdicts))
        failed = len(verdicts) < len(files) or any(verdict.error for verdict in verdicts)
        if report and html and not _write(report, html):
            failed = True
    except AwareNetError as error:
        complain("detect", error)
        raise typer.Exit(BAD_USAGE if isinstance(error, InvalidInput) else NOT_STARTED) from error
    finally:
        runtime.close()
    if len(verdicts) < len(files):
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(SOME_FAILED)


def _heatmap(runtime: Runtime) -> Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]:
    """Draws the heatmap of a face.

    Raises:
        InvalidInput: What real faces show was measured with other models, and without it a map says nothing.
    """
    expected = Expected.load()
    if expected.model_version != runtime.policy.model_version:
        raise InvalidInput(
            f"no heatmaps for models {runtime.policy.model_version}: what real faces show was measured with "
            f"{expected.model_version}; run `python -m benchmarks heatmap --write-expected`, or leave out --heatmap"
        )

    def draw(face: NDArray[np.uint8], face_px: float) -> NDArray[np.uint8]:
        return overlay(face, explain(runtime, face, face_px, expected=expected))

    return draw


def find_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files to score: those named, and those in folders that are media by name or by content, sorted by path.

    Args:
        paths: Files and folders; a path that does not exist is passed on and fails as a file.

    Raises:
        InvalidInput: There is no file at all.
    """
    found = skipped = 0
    for path in paths:
        members = sorted(walk(path)) if path.is_dir() else [path]
        for member in members:
            if path.is_dir() and not looks_like_media(member):
                skipped += 1
                continue
            found += 1
            yield member
    if skipped:
        _log.info("skipped", files=skipped, reason="neither their names nor their contents are media")
    if not found:
        raise InvalidInput(f"no picture or clip in {', '.join(map(str, paths))}; give files or other folders")


def _progress(files: Sequence[Path], detector: Detector, route: Route) -> Iterator[Verdict]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(files))

        def within(done: int, share: float) -> None:
            progress.update(bar, completed=done + share)

        for done, path in enumerate(files):
            progress.update(bar, description=path.name[-40:])
            yield detector.detect(path, route=route, progress=partial(within, done))
            progress.update(bar, completed=done + 1)


def table(verdicts: Sequence[Verdict]) -> str:
    """The verdicts for people, as text; with colours where stdout is a terminal."""
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    rows = Table(box=None, header_style="bold", pad_edge=False)
    rows.add_column("file", overflow="fold")
    rows.add_column("verdict")
    rows.add_column("P(fake)", justify="right")
    rows.add_column("faces", justify="right")
    rows.add_column("decided by")
    rows.add_column("remarks", overflow="fold", style="dim")
    for verdict in verdicts:
        word = verdict.verdict or "failed"
        rows.add_row(
            Text(verdict.path),
            Text(word.replace("_", " "), style=_STYLES.get(word, "bold magenta")),
            "" if verdict.probability is None else f"{verdict.probability:.3f}",
            str(len(verdict.faces)),
            _decided_by(verdict),
            Text((verdict.error or "; ".join(verdict.notes)).removeprefix(f"{verdict.path}: ")),
        )
    with console.capture() as captured:
        console.print(rows)
    return captured.get()


def _decided_by(verdict: Verdict) -> str:
    """The deepest stage that any face needed."""
    stages = {face.exit_stage for face in verdict.faces}
    return ExitStage(max(stages)).name.lower() if stages else ""


def _write(report: HtmlReport, path: Path) -> bool:
    try:
        report.write(path)
    except ReportError as error:
        complain("detect", error)
        return False
    sys.stderr.write(f"report: {path}\n")
    return True
