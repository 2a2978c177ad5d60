"""`awarenet detect`: scores files and folders, for people and for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import cv2
import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from awarenet.detector import DEFAULT_FRAMES, Detector
from awarenet.errors import AwareNetError, InvalidInput, MediaError, ReportError
from awarenet.face_engines import create_detector
from awarenet.media import MEDIA_SUFFIXES, sniff
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
from awarenet.runtime.choice import DEFAULT_REPOSITORY, open_runtime
from awarenet.stages import ExitStage, Route
from awarenet.verdict import Verdict

NOT_STARTED: Final = 1
PIPE_CLOSED: Final = 141

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
        files = list(find_files(paths))
        runtime = open_runtime(server, in_process, model_repository)
    except AwareNetError as error:
        _complain(error)
        raise typer.Exit(BAD_USAGE if isinstance(error, InvalidInput) else NOT_STARTED) from error
    try:
        detector = Detector(runtime, create_detector(face_engine), frames=frames)
        report = HtmlReport(runtime.policy) if html else None
        verdicts: list[Verdict] = []
        try:
            for verdict in _progress(files, detector, route):
                verdicts.append(verdict)
                if json:
                    _deliver(verdict.to_json() + "\n")
                if report:
                    report.add(verdict)
        except KeyboardInterrupt:
            _complain("stopped; what was scored so far follows")
        if not json:
            _deliver(table(verdicts))
        failed = len(verdicts) < len(files) or any(verdict.error for verdict in verdicts)
        if report and html and not _write(report, html):
            failed = True
    except AwareNetError as error:
        _complain(error)
        raise typer.Exit(NOT_STARTED) from error
    finally:
        runtime.close()
    if len(verdicts) < len(files):
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(SOME_FAILED)


def find_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files to score: those named, and those in folders that are media by name or by content, sorted by path.

    Args:
        paths: Files and folders; a path that does not exist is passed on and fails as a file.

    Raises:
        InvalidInput: There is no file at all.
    """
    found = skipped = 0
    for path in paths:
        members = sorted(_walk(path)) if path.is_dir() else [path]
        for member in members:
            if path.is_dir() and not _looks_like_media(member):
                skipped += 1
                continue
            found += 1
            yield member
    if skipped:
        _log.info("skipped", files=skipped, reason="neither their names nor their contents are media")
    if not found:
        raise InvalidInput(f"no picture or clip in {', '.join(map(str, paths))}; give files or other folders")


def _walk(folder: Path) -> Iterator[Path]:
    """Regular files below a folder; hidden ones are left out and links to folders are not followed."""
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root) / name for name in names if not name.startswith("."))


def _looks_like_media(path: Path) -> bool:
    if path.suffix.lower() in MEDIA_SUFFIXES:
        return True
    try:
        sniff(path)
    except MediaError:
        return False
    return True


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


def _deliver(text: str) -> None:
    """Writes results to stdout.

    Raises:
        Exit: Nobody reads any more (`| head`), or stdout cannot take more.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is still in the buffer would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(PIPE_CLOSED) from None
        _complain(f"cannot write the results to stdout ({error.strerror}); free space or send them elsewhere")
        raise typer.Exit(NOT_STARTED) from None


def _write(report: HtmlReport, path: Path) -> bool:
    try:
        report.write(path)
    except ReportError as error:
        _complain(error)
        return False
    sys.stderr.write(f"report: {path}\n")
    return True


def _complain(message: object) -> None:
    sys.stderr.write(f"awarenet detect: {message}\n")
