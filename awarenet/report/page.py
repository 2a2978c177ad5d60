"""The report's content: what each verdict shows, in plain words, and the file it is written to."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import jinja2
import numpy as np

from awarenet import __version__
from awarenet.cascade import sigmoid
from awarenet.errors import MediaError, ReportError
from awarenet.faces import POOR_PX
from awarenet.media import MediaLimits
from awarenet.policy import Policy
from awarenet.report.thumbnails import Cut, Heatmap, Scene, scenes
from awarenet.stages import FACE_SIZE, ExitStage
from awarenet.verdict import FaceVerdict, TrackVerdict, Verdict
from awarenet.video.sampling import FEW

MAX_PICTURED: Final = 200
"""Files shown with pictures; later ones are listed without, so that the page stays within what browsers open."""

_MAX_ROWS = 100
_MAX_PEOPLE = 12
_MAX_SCENES = 4
_MAX_HEATMAPS = 4
_WORST = 3
"""Faces of a person in a clip that are shown, the most suspicious."""

_TEMPORAL: Final = {
    "score_spread": ("Scores differ from frame to frame", "by {:.2f} (standard deviation of logits)", 1),
    "flicker": ("The face changes beyond motion", "by {:.1f} of 255 grey levels", 1),
    "boundary_jitter": ("Its edges shake", "by {:.2f} % of its side", 100),
    "landmark_jitter": ("Eyes, nose and mouth shake", "by {:.2f} % of the eye distance", 100),
}
"""Temporal evidence in words: what, how much, and by what the value is multiplied there."""

_NETWORKS: Final = (
    ("Fast filter", "fast_filter_logit"),
    ("EfficientNet", "efficientnet_logit"),
    ("GenConViT autoencoder", "genconvit_autoencoder_logit"),
    ("GenConViT variational", "genconvit_variational_logit"),
)


@dataclass(frozen=True)
class Score:
    """One model's opinion of one face."""

    name: str
    probability: float


@dataclass(frozen=True)
class Person:
    """One row of the table: a face of a picture, or a person's track through a clip.

    Attributes:
        number: As written beside the box, from 1.
        worst: Numbers of the shown faces in the verdict's list, the most suspicious first: one of a picture, some of a
            clip.
        face: The first of them.
        probability: P(fake) of the face or the track.
        track: The track behind it.
        word: `fake`, `real` or `uncertain`.
        decided_by: The stage that decided, in words.
        scores: What each model that ran says.
        reasons: The evidence in sentences.
        curve: For clips: (time, P(fake)) of each scored face of the track.
        temporal: For clips: the temporal evidence, each as what and how much, in words.
    """

    number: int
    worst: list[int]
    face: FaceVerdict
    probability: float
    track: TrackVerdict
    word: str
    decided_by: str
    scores: list[Score]
    reasons: list[str]
    curve: list[tuple[float, float]]
    temporal: list[tuple[str, str]]


@dataclass(frozen=True)
class Entry:
    """One file of the report."""

    verdict: Verdict
    people: list[Person]
    left_out: int
    scenes: list[Scene]
    no_picture: str

    @property
    def cuts(self) -> dict[int, Cut]:
        """The cut-outs there are, by the number of the face in the verdict's list."""
        return {index: cut for scene in self.scenes for index, cut in scene.faces.items()}


class HtmlReport:
    """Collects verdicts and writes one self-contained page."""

    def __init__(self, policy: Policy, limits: MediaLimits | None = None, *, heatmap: Heatmap | None = None) -> None:
        """Starts an empty report.

        Args:
            policy: The thresholds that the verdicts were made with.
            limits: As in detection: files are read again for their small pictures.
            heatmap: Draws the heatmap of a face, shown beside the most suspicious ones; None leaves them out.
        """
        self._heatmap = heatmap
        self._policy = policy
        self._limits = limits or MediaLimits()
        self._entries: list[Entry] = []

    def add(self, verdict: Verdict) -> None:
        """Adds one file; its small pictures are made now, the file is not needed afterwards."""
        people = self._people(verdict)
        shown = people[: _MAX_ROWS if verdict.duration_s is None else _MAX_PEOPLE]
        pictures: list[Scene] = []
        reason = ""
        if verdict.error:
            reason = "no picture: the file could not be scored"
        elif len(self._entries) >= MAX_PICTURED:
            reason = f"no picture: only the first {MAX_PICTURED} files are shown with one"
        else:
            try:
                wanted = [index for person in shown for index in person.worst]
                pictured = [person.worst[0] for person in shown]
                if verdict.duration_s is not None:
                    pictured = pictured[:_MAX_SCENES]
                explained = [person.worst[0] for person in shown[:_MAX_HEATMAPS]]
                pictures = scenes(
                    Path(verdict.path), verdict.faces, wanted, pictured, self._limits, self._heatmap, explained
                )
            except MediaError as error:
                reason = f"no picture: {error}"
        self._entries.append(Entry(verdict, shown, len(people) - len(shown), pictures, reason))

    def write(self, path: Path) -> None:
        """Writes the page: whole, or not at all.

        Raises:
            ReportError: The folder is missing or read-only, or the disk is full.
        """
        write_whole(path, self.render())

    def render(self) -> str:
        """The page as text."""
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("awarenet.report", ""),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["percent"] = percent
        verdicts = [entry.verdict for entry in self._entries]
        return environment.get_template("page.html").render(
            entries=self._entries,
            explained=self._heatmap is not None,
            counts=Counter(verdict.verdict or "failed" for verdict in verdicts),
            engines=sorted({verdict.face_engine for verdict in verdicts}),
            policy=self._policy,
            version=__version__,
            made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            poor_px=POOR_PX,
        )

    def _people(self, verdict: Verdict) -> list[Person]:
        """Rows, most suspicious first."""
        people = []
        for track in verdict.tracks:
            mine = [number for number, face in enumerate(verdict.faces) if face.track == track.track]
            worst = sorted(mine, key=lambda number: -verdict.faces[number].probability)[:_WORST]
            face = verdict.faces[worst[0]]
            curve = [
                (time, one.probability)
                for one in map(verdict.faces.__getitem__, mine)
                if (time := one.time_s) is not None
            ]
            people.append(
                Person(
                    number=track.track + 1,
                    worst=worst,
                    face=face,
                    probability=track.probability,
                    track=track,
                    word="uncertain" if curve and track.faces < FEW else self._word(track.probability),
                    decided_by="fast filter" if face.exit_stage == ExitStage.FAST_FILTER else "all models together",
                    scores=_scores(face),
                    reasons=self._reasons(face, track.faces if curve else 0),
                    curve=curve,
                    temporal=[
                        (what, how_much.format(scale * value))
                        for name, (what, how_much, scale) in _TEMPORAL.items()
                        if (value := track.temporal.get(name)) is not None
                    ],
                )
            )
        return sorted(people, key=lambda person: (-person.probability, person.number))

    def _word(self, probability: float) -> str:
        if abs(probability - self._policy.decide_at) < self._policy.uncertain_margin:
            return "uncertain"
        return "fake" if probability >= self._policy.decide_at else "real"

    def _reasons(self, face: FaceVerdict, frames: int) -> list[str]:
        """The evidence in sentences."""
        reasons = []
        if frames:
            reasons.append(
                f"Scored in {frames} frame{'' if frames == 1 else 's'}; what follows is about the most suspicious one, "
                f"at {face.time_s or 0:.1f} s."
            )
            if frames < FEW:
                reasons.append(f"Fewer than {FEW} frames are too few to judge somebody by.")
        fast = _probability(face, "fast_filter_logit")
        if fast is not None and face.exit_stage == ExitStage.FAST_FILTER:
            low, high = percent(self._policy.real_below), percent(self._policy.fake_above)
            side = (
                f"under {low}, sure enough for real"
                if fast < self._policy.real_below
                else f"over {high}, sure enough for fake"
            )
            reasons.append(f"The fast filter says {percent(fast)}: {side}. The heavy models were not asked.")
        elif fast is not None:
            sure = not self._policy.real_below <= fast <= self._policy.fake_above
            reasons.append(
                f"The fast filter says {percent(fast)}: "
                + (
                    "sure enough, but every model was asked for."
                    if sure
                    else "in doubt, so the heavy models looked too."
                )
            )
            heavy = [one for _, name in _NETWORKS[1:] if (one := _probability(face, name)) is not None]
            fakes = sum(one >= self._policy.decide_at for one in heavy)
            lean = "leans" if fakes == 1 else "lean"
            reasons.append(
                f"{fakes} of {len(heavy)} heavy scores {lean} to fake; weighed together: {percent(face.probability)}."
            )
        if face.upscaled:
            reasons.append(
                f"The face has fewer than the {FACE_SIZE} pixels that the models look at: detail is missing."
            )
        return reasons


def percent(probability: float) -> str:
    """A probability in words that never round to certainty."""
    if probability < 0.001:
        return "under 0.1 %"
    if probability > 0.999:
        return "over 99.9 %"
    return f"{100 * probability:.1f} %" if not 0.1 <= probability <= 0.9 else f"{100 * probability:.0f} %"


def _probability(face: FaceVerdict, feature: str) -> float | None:
    logit = face.evidence.get(feature)
    return None if logit is None else float(sigmoid(np.array(logit, np.float32)))


def _scores(face: FaceVerdict) -> list[Score]:
    scores = [Score(name, value) for name, feature in _NETWORKS if (value := _probability(face, feature)) is not None]
    if face.exit_stage == ExitStage.META_MODEL:
        scores.append(Score("All together", face.probability))
    return scores


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that it is there whole or not at all.

    Raises:
        ReportError: It cannot be written; what was at the path before is untouched.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            with draft.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(path)
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(
            f"report: cannot write {path} ({error.strerror or error}); free space or choose another place"
        ) from error
