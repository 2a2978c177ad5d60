"""`Detector`: one picture or clip in, one verdict out, over any runtime."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from awarenet.cascade import Decisions
from awarenet.errors import AwareNetError
from awarenet.faces import POOR_PX, FaceBox, FaceCrop, FaceDetector, crop_face
from awarenet.media import MediaLimits, read_picture, sniff
from awarenet.runtime import Runtime
from awarenet.stages import FACE, FACE_SIZE, FEATURES, MAX_BATCH, Route
from awarenet.verdict import FaceVerdict, Verdict, VerdictWord
from awarenet.video import Clip
from awarenet.video.tracks import follow, track_probabilities

DEFAULT_FRAMES: Final = 16
"""Frames sampled from a clip."""

MAX_FACES: Final = 256
"""Most faces scored in one picture or frame; the largest are taken."""


@dataclass(frozen=True)
class _Seen:
    """One face that was cut out and handed to the runtime."""

    box: FaceBox
    face_px: float
    upscaled: bool
    time_s: float | None


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
        work = _Work(self._runtime, route)
        try:
            tracks = self._look_at_clip(path, work) if sniff(path).kind == "clip" else self._look_at_picture(path, work)
            decisions = work.finish()
        except AwareNetError as error:
            return self._verdict(path, work, None, None, [], error)
        word, probability = self._judge(work, np.array(tracks, np.int64), decisions)
        return self._verdict(path, work, word, probability, _face_verdicts(work.seen, tracks, decisions), None)

    def _look_at_picture(self, path: Path, work: _Work) -> list[int]:
        """Scores the faces of a picture; gives each a track of its own."""
        with work.timed("decode"):
            picture = read_picture(path, self._limits)
        work.notes.extend(picture.notes)
        with work.timed("detect"):
            boxes = self._faces.detect(picture.image)
        work.add(picture.image, boxes, None)
        return list(range(len(work.seen)))

    def _look_at_clip(self, path: Path, work: _Work) -> list[int]:
        """Scores the faces of sampled frames; gives the track of each."""
        shown: list[list[FaceBox]] = []
        with work.timed("decode"), Clip(path, self._limits) as clip:
            for frame in clip.frames(self._frames):
                with work.timed("detect"):
                    boxes = self._faces.detect(frame.image, thorough=False)
                shown.append(work.add(frame.image, boxes, frame.time_s))
        work.notes.extend(clip.notes)
        return [track for numbers in follow(shown) for track in numbers]

    def _judge(self, work: _Work, tracks: NDArray[np.int64], decisions: Decisions) -> tuple[VerdictWord, float | None]:
        """The worst track decides, among those with a face good enough to judge."""
        faces = len(work.seen)
        if not faces:
            return "no_face", None
        good = np.array([face.face_px >= POOR_PX for face in work.seen])
        poor, upscaled = int((~good).sum()), sum(face.upscaled for face in work.seen)
        if upscaled:
            work.notes.append(f"{_some(upscaled, faces)} fewer pixels than the {FACE_SIZE} that the models look at")
        counted = good if good.any() else ~good
        probability = max(track_probabilities(decisions.probability[counted], tracks[counted]).values())
        if not good.any():
            work.notes.append(f"no face has {POOR_PX} pixels: too small to judge, so the verdict stays uncertain")
            return "uncertain", probability
        if poor:
            work.notes.append(f"{_some(poor, faces)} fewer than {POOR_PX} pixels: too small to count")
        policy = self._runtime.policy
        if abs(probability - policy.decide_at) < policy.uncertain_margin:
            return "uncertain", probability
        return ("fake" if probability >= policy.decide_at else "real"), probability

    def _verdict(
        self,
        path: Path,
        work: _Work,
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
            notes=work.notes,
            timings_ms={step: round(spent, 3) for step, spent in work.timings_ms.items()},
        )


class _Work:
    """What is known so far about one file. Faces are scored as soon as a batch is full, so that few crops are held.

    Attributes:
        seen: Every face, in the order of its score.
        notes: What limits the verdict, in words.
        timings_ms: Milliseconds per step, without those of steps inside it.
    """

    def __init__(self, runtime: Runtime, route: Route) -> None:
        self.seen: list[_Seen] = []
        self.notes: list[str] = []
        self.timings_ms: dict[str, float] = {}
        self._runtime = runtime
        self._route: Route = route
        self._waiting: list[FaceCrop] = []
        self._parts: list[Decisions] = []
        self._inner_ms = 0.0

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Adds the time of the block to a step, less that of blocks inside it."""
        outer, self._inner_ms, start = self._inner_ms, 0.0, time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - start) * 1000
            self.timings_ms[step] = self.timings_ms.get(step, 0.0) + spent - self._inner_ms
            self._inner_ms = outer + spent

    def add(self, image: NDArray[np.uint8], boxes: list[FaceBox], time_s: float | None) -> list[FaceBox]:
        """Cuts the faces out and scores full batches; returns the boxes that were taken."""
        note = f"more than {MAX_FACES} faces at once, only the largest were scored"
        if len(boxes) > MAX_FACES and note not in self.notes:
            self.notes.append(note)
        for box in boxes[:MAX_FACES]:
            crop = crop_face(image, box)
            self.seen.append(_Seen(box, crop.face_px, crop.upscaled, time_s))
            self._waiting.append(crop)
            if len(self._waiting) == MAX_BATCH:
                self._score()
        return boxes[:MAX_FACES]

    def finish(self) -> Decisions:
        """Scores what is left; the decisions of all faces, in order."""
        if self._waiting or not self._parts:
            self._score()
        return Decisions(
            np.concatenate([part.probability for part in self._parts]),
            np.concatenate([part.exit_stage for part in self._parts]),
            np.concatenate([part.evidence for part in self._parts]),
        )

    def _score(self) -> None:
        crops, self._waiting = self._waiting, []
        faces = np.stack([crop.face for crop in crops]) if crops else np.empty((0, *FACE.shape), np.uint8)
        face_px = np.array([crop.face_px for crop in crops], np.float32)
        with self.timed("score"):
            self._parts.append(self._runtime.score(faces, face_px, route=self._route))


def _some(part: int, whole: int) -> str:
    """The subject of a sentence about some of the faces."""
    if whole == 1:
        return "the face has"
    if part == whole:
        return f"all {whole} faces have"
    return f"{part} of {whole} faces {'has' if part == 1 else 'have'}"


def _face_verdicts(seen: list[_Seen], tracks: list[int], decisions: Decisions) -> list[FaceVerdict]:
    return [
        FaceVerdict(
            box=(round(face.box.x, 2), round(face.box.y, 2), round(face.box.width, 2), round(face.box.height, 2)),
            track=track,
            probability=float(probability),
            exit_stage=int(stage),
            evidence={
                name: None if np.isnan(value) else float(value) for name, value in zip(FEATURES, evidence, strict=True)
            },
            upscaled=face.upscaled,
            time_s=face.time_s,
        )
        for face, track, probability, stage, evidence in zip(
            seen, tracks, decisions.probability, decisions.exit_stage, decisions.evidence, strict=True
        )
    ]
