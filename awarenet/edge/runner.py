"""The loops of a device: over the frames of a camera, or over the files of a folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from awarenet.detector import Detector
from awarenet.edge.database import Database
from awarenet.edge.folder import ATTEMPTS, NewFile, WatchedFolder
from awarenet.edge.journal import Journal
from awarenet.edge.outbox import Outbox
from awarenet.edge.pulse import Heart
from awarenet.edge.self_test import SelfTest
from awarenet.errors import ReportError, Unavailable, WorkerDied
from awarenet.stages import Route
from awarenet.verdict import Verdict
from awarenet.video.live import LiveDetector
from awarenet.video.sources import LiveSource

_WAIT_S: Final = 0.2
_COUNT_EVERY_S: Final = 2.0
_POLL_S: Final = 1.0

_PROVEN_AFTER_S: Final = 30.0

_SCORE_TIMEOUT_S: Final = 10.0
"""A score that takes longer is given up; a small device may need seconds for all stages."""

_log = structlog.get_logger("edge")


@dataclass
class Device:
    """What both loops need.

    Attributes:
        source: Name of the source, for messages.
        journal: Takes the events.
        heart: Is told that all is well.
        self_test: Says whether it is.
        outbox: Whose counts the pulse shows; None where nothing is sent.
        when_well: Called once, when the self-test has passed and a frame came, the folder was looked through, or enough
            time went by without the process ending: a camera that is away is no fault of the models.
    """

    source: str
    journal: Journal
    heart: Heart
    self_test: SelfTest
    outbox: Outbox | None = None
    when_well: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self._began_s = time.monotonic()
        self._counted_s = float("-inf")
        self._lost = False

    def come_by(self, *, got_input: bool = False) -> None:
        """To be called at each turn of a loop.

        Raises:
            WrongAnswer: The self-test failed; the process should end and be started anew.
        """
        facts: dict[str, Any] = {}
        if self.outbox is not None and time.monotonic() - self._counted_s >= _COUNT_EVERY_S:
            self._counted_s = time.monotonic()
            try:
                counts = self.outbox.counts
                facts = {"waiting": counts.waiting, "dropped": counts.dropped}
            except ReportError as error:
                _log.error("the outbox cannot be read", reason=str(error))
        tested = self.self_test.pass_if_due()
        self.heart.beat(got_input=got_input, tested=tested, **facts)
        if self.when_well is not None and (got_input or time.monotonic() - self._began_s > _PROVEN_AFTER_S):
            self.when_well()
            self.when_well = None

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Tells an event; a full disk is said and survived."""
        try:
            self.journal.tell(kind, data)
        except ReportError as error:
            _log.error("an event is lost", kind=kind, reason=str(error))

    def lose(self, reason: str) -> None:
        """Tells once that nothing comes from the source."""
        if not self._lost:
            self._lost = True
            _log.warning("nothing comes", source=self.source, reason=reason)
            self.tell("source.lost", {"source": self.source, "reason": reason})

    def regain(self) -> None:
        """Tells that the source is back, where it was lost."""
        if self._lost:
            self._lost = False
            _log.info("it comes again", source=self.source)
            self.tell("source.back", {"source": self.source})


def follow(stream: LiveSource, detector: LiveDetector, device: Device, *, every_s: float, lost_after_s: float) -> None:
    """Judges a stream until it ends: an event whenever a verdict changes, and now and then in between.

    Args:
        stream: The source, entered.
        detector: Judges its frames.
        device: Takes the events.
        every_s: Seconds after which an event comes although nothing changed.
        lost_after_s: Seconds without a frame after which the source is told to be lost.

    Raises:
        Unavailable: A pipe fell silent.
        MediaError: A pipe brings nothing that can be decoded.
        WrongAnswer: The self-test failed.
    """
    device.come_by()
    told: object = None
    told_s = float("-inf")
    heard_s = time.monotonic()
    while not stream.ended:
        frame = stream.take(_WAIT_S)
        now = time.monotonic()
        if frame is None:
            if now - heard_s > lost_after_s:
                device.lose(f"no frame for {lost_after_s:g} s; check the camera, its cable and the network")
            device.come_by()
            continue
        device.regain()
        heard_s = now
        score = detector.look(frame.image, frame.time_s, timeout_s=_SCORE_TIMEOUT_S)
        if score.words != told or now - told_s >= every_s:
            told, told_s = score.words, now
            device.tell(
                "live.verdict",
                score.to_dict()
                | {
                    "source": device.source,
                    "latency_ms": round((time.monotonic() - frame.arrived_s) * 1000, 1),
                    "frames_dropped": stream.counts.dropped,
                    "connections": stream.connections,
                    "model_version": device.heart.pulse.model_version,
                    "policy_version": device.heart.pulse.policy_version,
                },
            )
        device.come_by(got_input=True)


def keep_up(folder: WatchedFolder, detector: Detector, device: Device, database: Database, *, route: Route) -> None:
    """Scores what comes into a folder, for ever.

    Args:
        folder: The folder.
        detector: Judges its files.
        device: Takes the events.
        database: Joins an event and the note that its file was scored.
        route: `cascade` exits early, `full` runs every stage.

    Raises:
        WrongAnswer: The self-test failed.
    """
    device.come_by()
    while True:
        try:
            for file in folder.scan():
                _score(file, folder, detector, device, database, route)
                device.come_by(got_input=True)
            device.regain()
            device.come_by(got_input=True)
        except Unavailable as error:
            device.lose(str(error))
            device.come_by()
        except ReportError as error:
            _log.error("not noted", reason=str(error))
            device.come_by()
        time.sleep(_POLL_S)


def _score(
    file: NewFile, folder: WatchedFolder, detector: Detector, device: Device, database: Database, route: Route
) -> None:
    if file.attempts >= ATTEMPTS:
        verdict = _given_up(file, device)
    else:
        folder.begin(file)
        _log.info("begun", file=str(file.path))
        try:
            verdict = detector.detect(file.path, route=route, progress=lambda _: device.heart.beat(got_input=True))
        except KeyboardInterrupt:
            folder.give_back(file)
            raise
    with database.transaction():
        folder.finish(file)
        device.journal.tell("file.verdict", verdict.to_dict())
    folder.put_away(file)


def _given_up(file: NewFile, device: Device) -> Verdict:
    pulse = device.heart.pulse
    error = WorkerDied(
        f"{file.path}: the process ended {file.attempts} times while it scored this file, so it is left alone; "
        "try it elsewhere with `awarenet detect`"
    )
    return Verdict(
        path=str(file.path),
        verdict=None,
        probability=None,
        faces=[],
        model_version=pulse.model_version,
        policy_version=pulse.policy_version,
        face_engine="none",
        error=str(error),
        error_code=error.code,
    )
