"""`Detector`: one picture or clip in, one verdict out, over any runtime."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from awarenet.cascade import Decisions
from awarenet.errors import AwareNetError
from awarenet.faces import MAX_FACES, POOR_PX, FaceBox, FaceCrop, FaceDetector, crop_face
from awarenet.media import MediaLimits, read_picture, sniff
from awarenet.runtime import Runtime
from awarenet.stages import FACE, FACE_SIZE, FEATURES, MAX_BATCH, Route
from awarenet.verdict import FaceVerdict, TrackVerdict, Verdict, VerdictWord
from awarenet.video.analysis import analyse
from awarenet.video.clips import Clip
from awarenet.video.sampling import FEW

DEFAULT_FRAMES: Final = 24
"""Most frames of a clip whose faces are scored."""


class Detector:
    """Scores media files. Safe to share between threads as far as its runtime and face detector are."""

    def __init__(
        self,
        runtime: Runtime,
        face_detector: FaceDetector,
        limits: MediaLimits | None = None,
        *,
        frames: int = DEFAULT_FRAMES,
        step: Callable[[str], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """Puts the parts together.

        Args:
            runtime: Where the cascade runs.
            face_detector: What finds the faces.
            limits: What is refused before decoding.
            frames: Most frames of a clip whose faces are scored, >= 1; all frames are read in any case.
            step: Put around each step, with its name; for traces.
        """
        self._runtime = runtime
        self._faces = face_detector
        self._limits = limits or MediaLimits()
        self._frames = frames
        self._step = step

    def detect(
        self, path: Path, *, route: Route = "cascade", progress: Callable[[float], None] | None = None
    ) -> Verdict:
        """Scores one picture or clip.

        Whatever is wrong with the file or the runtime becomes a verdict with `error`; nothing that the project
        raises on purpose comes out of here.

        Args:
            path: The file.
            route: `cascade` exits early, `full` runs every stage.
            progress: Told the share of a clip that was read, in [0, 1], often and from another thread.
        """
        try:
            if sniff(path).kind == "clip":
                outcome = self._look_at_clip(path, route, progress)
            else:
                outcome = self._look_at_picture(path, route)
        except AwareNetError as error:
            return self._verdict(
                path, verdict=None, probability=None, faces=[], error=str(error), error_code=error.code
            )
        return self._verdict(path, **vars(outcome))

    def _look_at_picture(self, path: Path, route: Route) -> _Outcome:
        """Scores the faces of a picture; each is a track of its own, and those that are too small do not count."""
        timings: dict[str, float] = {}
        with _timed(timings, "decode"), self._step("decode"):
            picture = read_picture(path, self._limits)
        with _timed(timings, "detect"), self._step("detect faces"):
            found = self._faces.detect(picture.image)
            crops = [crop_face(picture.image, box) for box in found[:MAX_FACES]]
        with _timed(timings, "score"):
            decisions = self._score(crops, route)
        probability = decisions.probability
        notes = list(picture.notes)
        if len(found) > MAX_FACES:
            notes.append(f"more than {MAX_FACES} faces at once, only the largest were scored")
        good = np.array([crop.face_px >= POOR_PX for crop in crops], bool)
        poor = int((~good).sum())
        notes += _upscaled([crop.upscaled for crop in crops])
        word: VerdictWord = "no_face"
        if good.any():
            word = self._runtime.policy.word(float(probability[good].max()))
            if poor:
                notes.append(f"{_some(poor, len(good))} fewer than {POOR_PX} pixels: too small to count")
        elif poor:
            word = "uncertain"
            notes.append(f"no face has {POOR_PX} pixels: too small to judge, so the verdict stays uncertain")
        counted = probability[good] if good.any() else probability
        boxes = [crop.box for crop in crops]
        return _Outcome(
            verdict=word,
            probability=float(counted.max()) if len(counted) else None,
            faces=_faces(boxes, [crop.upscaled for crop in crops], range(len(crops)), [None] * len(crops), decisions),
            tracks=[TrackVerdict(track, None, None, 1, float(score)) for track, score in enumerate(probability)],
            notes=notes,
            timings_ms=timings,
        )

    def _look_at_clip(self, path: Path, route: Route, progress: Callable[[float], None] | None) -> _Outcome:
        """Scores the people of a clip; the worst decides, among those with enough faces that are good enough."""
        with self._step("analyse"), Clip(path, self._limits) as clip:
            seen = analyse(clip, self._faces, partial(self._score, route=route), self._frames, progress)
            duration_s = float(clip.times_s[-1])
        notes = [*seen.notes, *_upscaled([face.upscaled for face in seen.faces])]
        counted = [track.probability for track in seen.tracks if track.faces >= FEW]
        few = len(seen.tracks) - len(counted)
        word: VerdictWord = "no_face"
        if seen.poor:
            word = "uncertain"
            notes.append("no face is good enough to judge, so the verdict stays uncertain")
        elif counted:
            word = self._runtime.policy.word(max(counted))
            if few:
                notes.append(f"{few} of {len(seen.tracks)} tracks have fewer than {FEW} faces: too few to count")
        elif seen.tracks:
            word = "uncertain"
            notes.append(f"nobody has {FEW} faces that can be judged, so the verdict stays uncertain")
        judged = counted if counted and not seen.poor else [track.probability for track in seen.tracks]
        return _Outcome(
            verdict=word,
            probability=max(judged, default=None),
            faces=_faces(
                [face.box for face in seen.faces],
                [face.upscaled for face in seen.faces],
                seen.track.tolist(),
                [face.time_s for face in seen.faces],
                seen.decisions,
            ),
            tracks=seen.tracks,
            notes=notes,
            timings_ms=seen.timings_ms,
            duration_s=duration_s,
            scene_cuts_s=seen.scene_cuts_s,
            skipped=seen.skipped,
        )

    def _score(self, crops: Sequence[FaceCrop], route: Route) -> Decisions:
        """Scores crops in batches; few copies of them are held."""
        parts = []
        for start in range(0, max(1, len(crops)), MAX_BATCH):
            batch = crops[start : start + MAX_BATCH]
            faces = np.stack([crop.face for crop in batch]) if batch else np.empty((0, *FACE.shape), np.uint8)
            face_px = np.array([crop.face_px for crop in batch], np.float32)
            parts.append(self._runtime.score(faces, face_px, route=route))
        return Decisions(
            np.concatenate([part.probability for part in parts]),
            np.concatenate([part.exit_stage for part in parts]),
            np.concatenate([part.evidence for part in parts]),
        )

    def _verdict(self, path: Path, **fields: Any) -> Verdict:
        policy = self._runtime.policy
        fields["timings_ms"] = {step: round(spent, 3) for step, spent in fields.get("timings_ms", {}).items()}
        return Verdict(
            path=str(path),
            model_version=policy.model_version,
            policy_version=policy.version,
            face_engine=self._faces.name,
            **fields,
        )


@dataclass(frozen=True)
class _Outcome:
    """The fields of a verdict that come from the media."""

    verdict: VerdictWord
    probability: float | None
    faces: list[FaceVerdict]
    tracks: list[TrackVerdict]
    notes: list[str]
    timings_ms: dict[str, float]
    duration_s: float | None = None
    scene_cuts_s: list[float] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)


@contextmanager
def _timed(timings_ms: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        timings_ms[step] = (time.perf_counter() - start) * 1000


def _upscaled(faces: Sequence[bool]) -> list[str]:
    if not any(faces):
        return []
    return [f"{_some(sum(faces), len(faces))} fewer pixels than the {FACE_SIZE} that the models look at"]


def _some(part: int, whole: int) -> str:
    """The subject of a sentence about some of the faces."""
    if whole == 1:
        return "the face has"
    if part == whole:
        return f"all {whole} faces have"
    return f"{part} of {whole} faces {'has' if part == 1 else 'have'}"


def _faces(
    boxes: Sequence[FaceBox],
    upscaled: Sequence[bool],
    tracks: Sequence[int],
    times_s: Sequence[float | None],
    decisions: Decisions,
) -> list[FaceVerdict]:
    scores = zip(decisions.probability, decisions.exit_stage, decisions.evidence, strict=True)
    return [
        FaceVerdict(
            box=(round(box.x, 2), round(box.y, 2), round(box.width, 2), round(box.height, 2)),
            track=track,
            probability=float(probability),
            exit_stage=int(stage),
            evidence={
                name: None if np.isnan(value) else float(value) for name, value in zip(FEATURES, evidence, strict=True)
            },
            upscaled=small,
            time_s=time_s,
        )
        for box, small, track, time_s, (probability, stage, evidence) in zip(
            boxes, upscaled, tracks, times_s, scores, strict=True
        )
    ]
