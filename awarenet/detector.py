"""`Detector`: one picture or clip in, one verdict out, over any runtime."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from awarenet.cascade import Decisions
from awarenet.errors import AwareNetError
from awarenet.faces import POOR_PX, FaceBox, FaceCrop, FaceDetector, crop_face
from awarenet.media import Clip, MediaLimits, read_picture, sniff
from awarenet.runtime import Runtime
from awarenet.stages import FACE_SIZE, FEATURES, Route
from awarenet.tracks import follow, track_probabilities
from awarenet.verdict import FaceVerdict, Verdict, VerdictWord

DEFAULT_FRAMES: Final = 16
"""Frames sampled from a clip."""

MAX_FACES: Final = 256
"""Most faces scored in one picture or frame; the largest are taken."""


@dataclass
class _Found:
    """The faces of one picture or clip, and what there is to say about them."""

    crops: list[FaceCrop] = field(default_factory=list)
    tracks: list[int] = field(default_factory=list)
    times: list[float | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Adds the time of the block to a step."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timings_ms[step] = self.timings_ms.get(step, 0.0) + (time.perf_counter() - start) * 1000


class Detector:
    """Scores media files. Safe to share between threads as far as its runtime and face detector are."""

    def __init__(
        self,
        runtime: Runtime,
        face_detector: FaceDetector,
        limits: MediaLimits | None = None,
        *,
        frames: int = DEFAULT_FRAMES,
    ) -> None:
        """Puts the parts together.

        Args:
            runtime: Where the cascade runs.
            face_detector: What finds the faces.
            limits: What is refused before decoding.
            frames: Frames sampled from a clip, >= 1.
        """
        self._runtime = runtime
        self._faces = face_detector
        self._limits = limits or MediaLimits()
        self._frames = frames

    def detect(self, path: Path, *, route: Route = "cascade") -> Verdict:
        """Scores one picture or clip.

        Whatever is wrong with the file or the runtime becomes a verdict with `error`; nothing that the project
        raises on purpose comes out of here.

        Args:
            path: The file.
            route: `cascade` exits early, `full` runs every stage.
        """
        found = _Found()
        try:
            if sniff(path).kind == "clip":
                self._look_at_clip(path, found)
            else:
                self._look_at_picture(path, found)
            with found.timed("score"):
                decisions = self._score(found.crops, route)
        except AwareNetError as error:
            return self._verdict(path, found, None, None, [], error)
        faces = _face_verdicts(found, decisions)
        word, probability = self._judge(found, decisions)
        return self._verdict(path, found, word, probability, faces, None)

    def _look_at_picture(self, path: Path, found: _Found) -> None:
        with found.timed("decode"):
            picture = read_picture(path, self._limits)
        found.notes.extend(picture.notes)
        with found.timed("detect"):
            boxes = self._largest(self._faces.detect(picture.image), found)
            found.crops = [crop_face(picture.image, box) for box in boxes]
        found.tracks = list(range(len(boxes)))
        found.times = [None] * len(boxes)

    def _look_at_clip(self, path: Path, found: _Found) -> None:
        boxes: list[list[FaceBox]] = []
        with found.timed("decode"), Clip(path, self._limits) as clip:
            for frame in clip.frames(self._frames):
                with found.timed("detect"):
                    boxes.append(self._largest(self._faces.detect(frame.image, thorough=False), found))
                    found.crops.extend(crop_face(frame.image, box) for box in boxes[-1])
                    found.times.extend([frame.time_s] * len(boxes[-1]))
        found.timings_ms["decode"] -= found.timings_ms.get("detect", 0.0)
        found.notes.extend(clip.notes)
        found.tracks = [track for numbers in follow(boxes) for track in numbers]

    def _largest(self, boxes: list[FaceBox], found: _Found) -> list[FaceBox]:
        note = f"more than {MAX_FACES} faces at once, only the largest were scored"
        if len(boxes) > MAX_FACES and note not in found.notes:
            found.notes.append(note)
        return boxes[:MAX_FACES]

    def _score(self, crops: list[FaceCrop], route: Route) -> Decisions:
        faces = np.stack([crop.face for crop in crops]) if crops else np.empty((0, FACE_SIZE, FACE_SIZE, 3), np.uint8)
        return self._runtime.score(faces, np.array([crop.face_px for crop in crops], np.float32), route=route)

    def _judge(self, found: _Found, decisions: Decisions) -> tuple[VerdictWord, float | None]:
        """The worst track decides, among those with a face good enough to judge."""
        if not found.crops:
            return "no_face", None
        good = np.array([crop.face_px >= POOR_PX for crop in found.crops])
        upscaled = sum(crop.upscaled for crop in found.crops)
        if upscaled:
            found.notes.append(
                f"{_some(upscaled, len(good))} fewer pixels than the {FACE_SIZE} that the models look at"
            )
        poor = int((~good).sum())
        counted = good if good.any() else ~good
        tracks = np.array(found.tracks, np.int64)[counted]
        probability = max(track_probabilities(decisions.probability[counted], tracks).values())
        if not good.any():
            found.notes.append(f"no face has {POOR_PX} pixels: too small to judge, so the verdict stays uncertain")
            return "uncertain", probability
        if poor:
            found.notes.append(f"{_some(poor, len(good))} fewer than {POOR_PX} pixels: too small to count")
        policy = self._runtime.policy
        if abs(probability - policy.decide_at) < policy.uncertain_margin:
            return "uncertain", probability
        return ("fake" if probability >= policy.decide_at else "real"), probability

    def _verdict(
        self,
        path: Path,
        found: _Found,
        word: VerdictWord | None,
        probability: float | None,
        faces: list[FaceVerdict],
        error: AwareNetError | None,
    ) -> Verdict:
        policy = self._runtime.policy
        return Verdict(
            path=str(path),
            verdict=word,
            probability=probability,
            faces=faces,
            model_version=policy.model_version,
            policy_version=policy.version,
            face_engine=self._faces.name,
            error=str(error) if error else None,
            error_code=error.code if error else None,
            notes=found.notes,
            timings_ms={step: round(spent, 3) for step, spent in found.timings_ms.items()},
        )


def _some(part: int, whole: int) -> str:
    """The subject of a sentence about some of the faces."""
    if whole == 1:
        return "the face has"
    if part == whole:
        return f"all {whole} faces have"
    return f"{part} of {whole} faces {'has' if part == 1 else 'have'}"


def _face_verdicts(found: _Found, decisions: Decisions) -> list[FaceVerdict]:
    return [
        FaceVerdict(
            box=(round(crop.box.x, 2), round(crop.box.y, 2), round(crop.box.width, 2), round(crop.box.height, 2)),
            track=track,
            probability=float(probability),
            exit_stage=int(stage),
            evidence={
                name: None if np.isnan(value) else float(value) for name, value in zip(FEATURES, evidence, strict=True)
            },
            upscaled=crop.upscaled,
            time_s=time_s,
        )
        for crop, track, time_s, probability, stage, evidence in zip(
            found.crops,
            found.tracks,
            found.times,
            decisions.probability,
            decisions.exit_stage,
            decisions.evidence,
            strict=True,
        )
    ]
