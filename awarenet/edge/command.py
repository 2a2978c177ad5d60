"""`awarenet edge`: the product on a small device, without a server."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import typer

from awarenet.delivery import NOT_STARTED, complain, deliver
from awarenet.detector import DEFAULT_FRAMES, Detector
from awarenet.edge.database import Database
from awarenet.edge.folder import WatchedFolder
from awarenet.edge.journal import Journal, boot_id
from awarenet.edge.memory import limits_within, resident_bytes
from awarenet.edge.outbox import DEFAULT_BYTES, Outbox
from awarenet.edge.pulse import Heart, Pulse, check_now, end_running, is_running, notify
from awarenet.edge.runner import Device, follow, keep_up
from awarenet.edge.self_test import SelfTest, known_answer
from awarenet.edge.sender import TOKEN_VARIABLE, Sender, token_from_environment
from awarenet.edge.updates import Updates, prove, survive
from awarenet.errors import AwareNetError, InvalidInput, Unavailable
from awarenet.face_engines import create_detector
from awarenet.models.keys import TrustedKey
from awarenet.options import BAD_USAGE, SOME_FAILED, FaceEngine, Frames, Repository, RouteChoice
from awarenet.repository import ModelRepository
from awarenet.runtime.choice import DEFAULT_REPOSITORY
from awarenet.runtime.engines import ENGINES, EngineName
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.signing import TrustedKeys
from awarenet.video.live import LiveConfiguration, LiveDetector, LiveSession
from awarenet.video.source_address import Address
from awarenet.video.sources import LiveSource, SourceOptions

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

DATABASE_FILE: Final = "edge.db"

_STATE_VARIABLE: Final = "STATE_DIRECTORY"
_RUNTIME_VARIABLE: Final = "RUNTIME_DIRECTORY"
"""Where systemd says that a service may keep things, and where it may keep them in memory."""


def _state_folder() -> Path:
    return Path(os.environ.get(_STATE_VARIABLE) or Path.home() / ".local" / "state" / "awarenet")


State = Annotated[
    Path, typer.Option(help=f"Folder that is kept over restarts [${_STATE_VARIABLE}, else ~/.local/state/awarenet].")
]


@app.callback()
def _commands() -> None:
    """The product on a small device: a camera or a folder is scored here, verdicts are sent when the network allows."""


@app.command()
def run(
    camera: Annotated[int | None, typer.Option(min=0, help="/dev/videoN.")] = None,
    rtsp: Annotated[
        str | None, typer.Option("--rtsp", "--stream", help="rtsp://..., http://..., a named pipe, - or fd:N.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Folder in which new pictures and clips are scored once.")] = None,
    move_to: Annotated[Path | None, typer.Option(help="Where scored files are moved; without, they stay.")] = None,
    settle: Annotated[
        float, typer.Option(min=0.1, help="Seconds without a change after which a file counts as complete.")
    ] = 2.0,
    out: Annotated[Path | None, typer.Option(help="File that gets a JSON line an event; without, stdout.")] = None,
    send: Annotated[
        str | None, typer.Option(help=f"Address that gets every event by POST; a bearer token from ${TOKEN_VARIABLE}.")
    ] = None,
    queue_mb: Annotated[int, typer.Option(min=1, help="Most megabytes of events that wait.")] = DEFAULT_BYTES >> 20,
    device: Annotated[str, typer.Option(help="Name of this device [its host name].")] = "",
    state: State = Path(),
    engine: Annotated[EngineName, typer.Option(help="What runs the networks.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, max=4, help="Processor threads for the models.")] = 1,
    memory: Annotated[
        int, typer.Option(min=128, help="Most megabytes of this process: larger media is refused.")
    ] = 512,
    every: Annotated[
        float, typer.Option(min=0.1, help="Seconds after which a stream's verdict is told although nothing changed.")
    ] = 10.0,
    lost_after: Annotated[
        float, typer.Option(min=0.5, help="Seconds without a frame after which a stream counts as lost.")
    ] = 10.0,
    test_every: Annotated[float, typer.Option(min=1, help="Seconds between two self-tests.")] = 300.0,
    route: RouteChoice = "cascade",
    frames: Frames = DEFAULT_FRAMES,
    face_engine: FaceEngine = "auto",
    model_repository: Repository = DEFAULT_REPOSITORY,
) -> None:
    """Scores a camera, a stream or a folder until it is told to end.

    A lost camera is waited for. Exit code 0 after SIGTERM, Ctrl-C or the end of a stream, 1 when it could not start or
    the self-test failed, 2 for bad usage, 3 when a pipe was lost.
    """
    cv2.setNumThreads(1)
    with ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        try:
            address = _address(camera, rtsp, folder, move_to)
            source = address.shown if address else str(folder)
            folder_of_state = _kept(state)
            database = Database(folder_of_state / DATABASE_FILE)
            stack.callback(database.close)
            outbox = Outbox(database, queue_mb << 20) if send else None
            sender = Sender(outbox, send, token=token_from_environment()) if outbox and send else None
            updates = Updates(model_repository)
            survive(updates.start)
            expected = known_answer(model_repository)
            runtime = InProcessRuntime(model_repository, threads=threads, engine=ENGINES[engine])
            stack.callback(runtime.close)
            faces = create_detector(face_engine)
            limits = limits_within(memory << 20, resident_bytes())
            heart = Heart(_volatile(folder_of_state), _first_pulse(source, runtime))
        except AwareNetError as error:
            complain("edge run", error)
            raise typer.Exit(BAD_USAGE if isinstance(error, InvalidInput) else NOT_STARTED) from error
        if sender:
            stack.enter_context(sender)
        journal = Journal(device or socket.gethostname(), out, outbox, sender)
        self_test = SelfTest(runtime, expected, ENGINES[engine].tolerance, test_every)
        looked_at = Device(source, journal, heart, self_test, outbox, partial(survive, updates.confirm))
        stream: LiveSource | None = None
        notify("READY=1")
        try:
            if address is None:
                assert folder is not None
                watched = WatchedFolder(folder, database, settle_s=settle, move_to=move_to)
                keep_up(watched, Detector(runtime, faces, limits, frames=frames), looked_at, database, route=route)
            else:
                configuration = LiveConfiguration()
                patience = SourceOptions(read_timeout_s=lost_after, patient=True, limits=limits)
                stream = LiveSource(
                    address, patience, deadline_s=configuration.deadline_s, waiting=configuration.waiting
                )
                session = LiveSession(runtime.policy, configuration)
                with stream:
                    follow(
                        stream,
                        LiveDetector(runtime, faces, session, route=route),
                        looked_at,
                        every_s=every,
                        lost_after_s=lost_after,
                    )
        except KeyboardInterrupt:
            complain("edge run", "stopped")
        except AwareNetError as error:
            complain("edge run", error)
            raise typer.Exit(SOME_FAILED if stream and stream.connections else NOT_STARTED) from error


@app.command()
def update(
    source: Annotated[
        str, typer.Argument(help="The new models, as of `awarenet models fetch`: a folder, an archive...")
    ],
    model_repository: Annotated[
        Path, typer.Option(help="The link to the models in use; made where it does not exist.")
    ],
    state: State = Path(),
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds in which the new models must prove themselves.")
    ] = 180.0,
    trusted_key: TrustedKey = None,
) -> None:
    """Brings new models, or leaves everything as it was.

    They are verified and run before they come into use. Then `awarenet edge run` is ended, and must be started anew by
    whoever minds it; when it is not well in time, the models before come back. Where it does not run, its next starts
    prove the new models. Exit code 0 when the new models stay, 1 when not.
    """
    pulses = _volatile(_kept(state))
    updates = Updates(model_repository)
    with _told("edge update"):
        repository = updates.update(source, trusted=TrustedKeys.named(trusted_key))
        words = f"models {repository.policy.model_version}, policy {repository.policy.version}"
        if updates.trial is None:
            deliver("edge update", f"{model_repository}: {words}\n")
        elif not is_running(pulses):
            deliver("edge update", f"{model_repository}: {words}, on trial until the next start\n")
        elif prove(updates, pulses, patience):
            now = ModelRepository.open(model_repository).policy.version
            if now != repository.policy.version:
                raise Unavailable(f"{model_repository}: the new models did not come to life, those before are back")
            deliver("edge update", f"{model_repository}: {words}, proved\n")
        else:
            raise Unavailable(f"{model_repository}: not well within {patience:g} s, the models before are back")


@app.command()
def rollback(
    model_repository: Annotated[Path, typer.Option(help="The link to the models in use.")], state: State = Path()
) -> None:
    """Goes back to the models before the last update, and has `awarenet edge run` start anew."""
    with _told("edge rollback"):
        repository = Updates(model_repository).rollback()
        end_running(_volatile(_kept(state)))
        deliver("edge rollback", f"{model_repository}: models {repository.policy.model_version}\n")


@app.command()
def health(
    state: State = Path(),
    max_age: Annotated[float, typer.Option(min=1, help="Oldest frame, or look at the folder, in seconds.")] = 30.0,
    beat_age: Annotated[float, typer.Option(min=1, help="Oldest sign of life, in seconds.")] = 60.0,
    test_age: Annotated[float, typer.Option(min=1, help="Oldest self-test, in seconds.")] = 900.0,
) -> None:
    """Exits 0 when `awarenet edge run` is well, else 1 with the reason: no frames, no life, or no self-test."""
    with _told("edge health"):
        pulse = check_now(_volatile(_kept(state)), beat_s=beat_age, input_s=max_age, tested_s=test_age)
    sent = "" if pulse.waiting is None else f", {pulse.waiting} events wait, {pulse.dropped} were dropped"
    deliver("edge health", f"{pulse.source}: well, models {pulse.model_version}{sent}\n")


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Tells errors and turns them into exit codes: 2 for what makes no sense, 1 for the rest."""
    try:
        yield
    except AwareNetError as error:
        complain(name, error)
        raise typer.Exit(BAD_USAGE if isinstance(error, InvalidInput) else NOT_STARTED) from error


def _address(camera: int | None, url: str | None, folder: Path | None, move_to: Path | None) -> Address | None:
    """The stream that was asked for; None for a folder.

    Raises:
        InvalidInput: Not exactly one source was named, or it is none.
    """
    if sum(one is not None for one in (camera, url, folder)) != 1:
        raise InvalidInput("give one of --camera, --rtsp and --folder; start a process for each source")
    if move_to is not None and folder is None:
        raise InvalidInput("--move-to goes with --folder")
    if camera is not None:
        # Not looked at here: it may be plugged in later.
        return Address("webcam", f"/dev/video{camera}", f"/dev/video{camera}")
    return None if url is None else Address.parse(url)


def _kept(state: Path) -> Path:
    return _state_folder() if state == Path() else state


def _volatile(state: Path) -> Path:
    return Path(os.environ.get(_RUNTIME_VARIABLE) or state)


def _first_pulse(source: str, runtime: InProcessRuntime) -> Pulse:
    policy = runtime.policy
    return Pulse(os.getpid(), boot_id(), source, policy.model_version, policy.version, beat_s=0.0)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does; what comes after the first is ignored, so that cleaning up is not cut short."""

    def end(*_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        yield
    except KeyboardInterrupt:
        complain("edge run", "stopped")
