"""`awarenet watch`: judges a live stream, for people and for programs."""

from __future__ import annotations

import json as json_text
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any, Final

import cv2
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from awarenet.delivery import NOT_STARTED, complain, deliver
from awarenet.errors import AwareNetError, InvalidInput
from awarenet.face_engines import create_detector
from awarenet.options import (
    BAD_USAGE,
    INTERRUPTED,
    SOME_FAILED,
    FaceEngine,
    InProcess,
    Repository,
    RouteChoice,
    Server,
)
from awarenet.runtime.choice import DEFAULT_REPOSITORY, open_runtime
from awarenet.video.frame_queue import QueueCounts
from awarenet.video.live import LiveConfiguration, LiveDetector, LiveScore, LiveSession
from awarenet.video.sources import LiveSource, SourceOptions

_NAME: Final = "watch"
_WAIT_S: Final = 0.2
_SCORE_TIMEOUT_S: Final = 2.0
"""A score that takes longer is given up: the stream has moved on."""

_STYLES: Final = {"fake": "bold red", "real": "green", "uncertain": "yellow", "no_face": "dim"}

Show = Callable[[LiveScore, float, QueueCounts], None]
"""Takes an answer, the milliseconds from arrival to answer, and what became of the frames."""

_LIVE = LiveConfiguration()
_PATIENCE = SourceOptions()


def watch(
    source: Annotated[
        str, typer.Argument(help="rtsp://..., http://..., - (standard input), fd:N, a named pipe, or /dev/videoN.")
    ],
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a frame that was looked at, on stdout.")
    ] = False,
    route: RouteChoice = "cascade",
    in_process: InProcess = False,
    server: Server = None,
    model_repository: Repository = DEFAULT_REPOSITORY,
    face_engine: FaceEngine = "auto",
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after so long.")] = None,
    smoothing: Annotated[
        float, typer.Option(help="Time constant in seconds of the smoothing of scores.")
    ] = _LIVE.smoothing_s,
    alarm_at: Annotated[
        float | None, typer.Option(help="P(fake) that raises the alarm [the policy's decision plus its margin].")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds of silence after which the source is lost.")
    ] = _PATIENCE.read_timeout_s,
    reconnects: Annotated[
        int, typer.Option(min=0, help="Attempts in a row to get a lost network source back.")
    ] = _PATIENCE.reconnects,
) -> None:
    """Judges a live stream until it ends or Ctrl-C is pressed.

    Exit code 0 when the stream ended, 3 when it was lost, 130 after Ctrl-C, 2 for bad usage.
    """
    cv2.setNumThreads(1)
    with ExitStack() as stack:
        try:
            configuration = LiveConfiguration(smoothing_s=smoothing, alarm_at=alarm_at)
            options = SourceOptions(read_timeout_s=timeout, reconnects=reconnects)
            stream = LiveSource(source, options, deadline_s=configuration.deadline_s, waiting=configuration.waiting)
            # A face is waited for: every core works on it.
            runtime = open_runtime(server, in_process, model_repository, threads=os.cpu_count() or 1)
            stack.callback(runtime.close)
            session = LiveSession(runtime.policy, configuration)
            detector = LiveDetector(runtime, create_detector(face_engine), session, route=route)
        except AwareNetError as error:
            complain(_NAME, error)
            raise typer.Exit(BAD_USAGE if isinstance(error, InvalidInput) else NOT_STARTED) from error
        show = stack.enter_context(_shown(stream.address.shown, json))
        try:
            with stream:
                _follow(stream, detector, show, seconds)
        except KeyboardInterrupt:
            complain(_NAME, "stopped")
            raise typer.Exit(INTERRUPTED) from None
        except AwareNetError as error:
            complain(_NAME, error)
            raise typer.Exit(SOME_FAILED if stream.connections else NOT_STARTED) from error
        finally:
            counts = stream.counts
            sys.stderr.write(
                f"{counts.arrived} frames, {counts.taken} looked at, {counts.dropped} dropped, "
                f"{stream.damaged} damaged; {session.counts.scored} faces scored\n"
            )


def _follow(stream: LiveSource, detector: LiveDetector, show: Show, seconds: float | None) -> None:
    end = None if seconds is None else time.monotonic() + seconds
    while not stream.ended and (end is None or time.monotonic() < end):
        if (frame := stream.take(_WAIT_S)) is None:
            continue
        score = detector.look(frame.image, frame.time_s, timeout_s=_SCORE_TIMEOUT_S)
        show(score, (time.monotonic() - frame.arrived_s) * 1000, stream.counts)


@contextmanager
def _shown(name: str, json: bool) -> Iterator[Show]:
    """How answers are shown: lines of JSON, a live table on a terminal, else a line for each change."""
    if json:
        yield _show_json
    elif sys.stdout.isatty():
        with Live(console=Console(), auto_refresh=False, transient=False) as live:
            yield lambda score, latency_ms, counts: live.update(_table(name, score, latency_ms, counts), refresh=True)
    else:
        yield _Changes()


def _show_json(score: LiveScore, latency_ms: float, counts: QueueCounts) -> None:
    line: dict[str, Any] = score.to_dict() | {"latency_ms": round(latency_ms, 1), "dropped": counts.dropped}
    deliver(_NAME, json_text.dumps(line, allow_nan=False) + "\n")


class _Changes:
    """Writes a line whenever the verdict of the stream or of a person changes."""

    def __init__(self) -> None:
        self._last: object = None

    def __call__(self, score: LiveScore, latency_ms: float, counts: QueueCounts) -> None:
        if score.words == self._last:
            return
        self._last = score.words
        people = ", ".join(
            f"person {track.track + 1} {_words(track.verdict)} {_number(track.probability)}" for track in score.tracks
        )
        parts = [f"{score.time_s:.2f} s", _words(score.verdict), *([people] if people else []), *_remark(score)]
        deliver(_NAME, "  ".join(parts) + "\n")


def _table(name: str, score: LiveScore, latency_ms: float, counts: QueueCounts) -> Table:
    rows = Table(
        title=Text(f"{name}  {score.time_s:.1f} s", no_wrap=True),
        caption=Text(
            "; ".join([f"{latency_ms:.0f} ms, {counts.dropped} of {counts.arrived} dropped", *_remark(score)])
        ),
        box=None,
        header_style="bold",
        title_justify="left",
        caption_justify="left",
    )
    for column in ("person", "verdict", "P(fake)", "last seen"):
        rows.add_column(column, min_width=10)
    for track in score.tracks:
        away_s = score.time_s - track.seen_s
        rows.add_row(
            str(track.track + 1),
            Text(_words(track.verdict), style=_STYLES[track.verdict]),
            _number(track.probability),
            "now" if away_s == 0 else f"{away_s:.1f} s ago",
        )
    rows.add_row("all", Text(_words(score.verdict), style=_STYLES[score.verdict]), _number(score.probability), "")
    return rows


def _remark(score: LiveScore) -> list[str]:
    return [f"not scored: {score.error}"] if score.error else []


def _words(verdict: str) -> str:
    return verdict.replace("_", " ")


def _number(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.3f}"
