"""Looking at a clip: which faces there are, whose they are, and what each scores.

Decoding, face detection and scoring run at once. Of a frame that is done with, boxes and numbers remain, so memory does
not grow with the length of the clip.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from awarenet.cascade import Decisions
from awarenet.errors import DamagedMedia
from awarenet.faces import MAX_FACES, FaceBox, FaceCrop, FaceDetector, crop_face, overlap
from awarenet.verdict import TrackVerdict
from awarenet.video.aggregation import interval, track_probability
from awarenet.video.clips import Clip, DecodedFrame, Frame
from awarenet.video.pipeline import Pipeline
from awarenet.video.sampling import FirstLook, second_look
from awarenet.video.scenes import SceneDetector, small_size
from awarenet.video.screening import REASONS, Reason, screen
from awarenet.video.temporal import NEAR_S, Moment, flicker, temporal_evidence
from awarenet.video.tracks import Colours, Tracker, colours

BATCH: Final = 8
"""Faces scored at once: enough for a server to gather, few enough that scoring begins while the clip is read."""

_AHEAD = 2
"""Frames that wait between two stages."""

_RESERVE = 8
"""Poor faces that are kept for the case that a clip has no better ones."""

_SAME = 0.5
"""Boxes in neighbouring frames with a higher intersection over union are one face."""

_COMPARED = 4
"""Faces of a frame, the largest, that are compared with the frame before."""

Score = Callable[[list[FaceCrop]], Decisions]
Progress = Callable[[float], None]


@dataclass
class _Sighting:
    """A face in a frame that was looked at; `row` is its place among the scored ones, None where it was not scored."""

    box: FaceBox
    face_px: float
    upscaled: bool
    time_s: float
    shown: Colours
    flicker: float | None
    row: int | None = None


@dataclass(frozen=True)
class ClipAnalysis:
    """What was seen in a clip.

    Attributes:
        faces: The scored faces, in time order.
        decisions: What each of them scored, in the same order.
        track: Track number of each, int64 `[N]`.
        tracks: The people, by ascending number.
        poor: Whether only faces too poor to judge were found, and some of them scored for want of better ones.
        scene_cuts_s: Times of the scene cuts, ascending.
        skipped: Reason to number of faces that were found and not scored.
        notes: What limits the analysis, in words.
        timings_ms: Milliseconds of work per step; the steps overlap.
    """

    faces: list[_Sighting]
    decisions: Decisions
    track: NDArray[np.int64]
    tracks: list[TrackVerdict]
    poor: bool
    scene_cuts_s: list[float]
    skipped: dict[str, int]
    notes: list[str]
    timings_ms: dict[str, float]


def analyse(
    clip: Clip, face_detector: FaceDetector, score: Score, budget: int, progress: Progress | None = None
) -> ClipAnalysis:
    """Looks at a clip twice: once through all of it, then again where something changes.

    Args:
        clip: The clip.
        face_detector: What finds the faces.
        score: Scores crops; called from this thread alone.
        budget: Most frames whose faces are scored.
        progress: Told the share of the clip that was read, in [0, 1], from the thread that reads.

    Raises:
        DamagedMedia: No frame at all could be decoded.
        MediaTooLarge: A frame is larger than the headers said and over the limit.
        AwareNetError: Whatever `score` raises.
    """
    scenes, first = SceneDetector(), FirstLook(clip.times_s, budget)
    sightings = _Sightings(score)

    def look(frames: Generator[_Chosen, None, None], pipeline: Pipeline) -> None:
        chosen = pipeline.ahead(_timed(frames, sightings.timings_ms), _AHEAD, "decode")
        for found in pipeline.ahead(_find(chosen, face_detector, sightings.timings_ms), _AHEAD, "detect"):
            sightings.add(found)
        sightings.score_waiting()

    with Pipeline() as pipeline:
        look(_choose(pipeline.while_running(clip.decode()), clip, scenes, first, progress), pipeline)
    again = second_look(
        clip.times_s, first.motion, scenes.breaks_s, sightings.worst(), budget - len(sightings.looked_at)
    )
    if again:
        with Pipeline() as pipeline:
            look(_reread(clip, again), pipeline)
    return sightings.finish(scenes, clip.notes)


@dataclass(frozen=True)
class _Chosen:
    """A frame to look at; with `score` its faces are scored, otherwise only followed."""

    frame: Frame
    score: bool


@dataclass(frozen=True)
class _Face:
    """A face that was found."""

    crop: FaceCrop
    reason: Reason | None
    shown: Colours
    flicker: float | None


@dataclass(frozen=True)
class _Found:
    """A frame that was looked at."""

    time_s: float
    size: tuple[int, int]
    score: bool
    crowded: bool
    faces: list[_Face]


def _choose(
    frames: Iterable[DecodedFrame], clip: Clip, scenes: SceneDetector, first: FirstLook, progress: Progress | None
) -> Generator[_Chosen, None, None]:
    """Stage 1: finds the scenes and picks the frames while the clip is decoded."""
    size: tuple[int, int] | None = None
    last_s = float(clip.times_s[-1])
    for decoded in frames:
        size = size or small_size(*decoded.size)
        small = decoded.small(*size)
        if small is None:
            continue
        breaks = len(scenes.breaks_s)
        motion = scenes.push(small, decoded.time_s)
        choice = first.choose(small, decoded.time_s, motion, len(scenes.breaks_s) > breaks)
        if progress:
            progress(min(1.0, decoded.time_s / last_s) if last_s else 1.0)
        if choice and (frame := decoded.full()):
            yield _Chosen(frame, choice.score)


def _reread(clip: Clip, times_s: list[float]) -> Generator[_Chosen, None, None]:
    """Stage 1 of the second look, for which the first one can stand in where all its frames are damaged."""
    with suppress(DamagedMedia):
        for frame in clip.frames_at(times_s):
            yield _Chosen(frame, score=True)


def _timed(frames: Generator[_Chosen, None, None], timings_ms: dict[str, float]) -> Generator[_Chosen, None, None]:
    """Adds the time that each frame takes to the step `decode`."""
    with closing(frames):
        while True:
            start = time.perf_counter()
            frame = next(frames, None)
            timings_ms["decode"] += (time.perf_counter() - start) * 1000
            if frame is None:
                return
            yield frame


def _find(
    frames: Iterator[_Chosen], face_detector: FaceDetector, timings_ms: dict[str, float]
) -> Generator[_Found, None, None]:
    """Stage 2: finds and cuts the faces, and compares them with the frame before."""
    before: Frame | None = None
    boxes_before: list[FaceBox] = []
    for chosen in frames:
        start = time.perf_counter()
        frame = chosen.frame
        found = face_detector.detect(frame.image, thorough=False)
        boxes = found[:MAX_FACES]
        faces = []
        for number, box in enumerate(boxes):
            crop = crop_face(frame.image, box)
            change = _change(before, frame, box, boxes_before) if before and number < _COMPARED else None
            faces.append(_Face(crop, screen(crop) if chosen.score else None, colours(crop.face), change))
        before, boxes_before = frame, boxes
        timings_ms["detect"] += (time.perf_counter() - start) * 1000
        height, width = frame.image.shape[:2]
        yield _Found(frame.time_s, (width, height), chosen.score, len(found) > MAX_FACES, faces)


def _change(before: Frame, frame: Frame, box: FaceBox, boxes_before: list[FaceBox]) -> float | None:
    """The flicker of a face since the frame before, where that shows the face and is near enough."""
    if frame.image.shape != before.image.shape or frame.time_s - before.time_s > NEAR_S:
        return None
    earlier = max(boxes_before, key=lambda other: overlap(box, other)[0], default=None)
    if earlier is None or overlap(box, earlier)[0] < _SAME:
        return None
    return flicker(before.image, frame.image, earlier)


class _Sightings:
    """Collects what was found, and has it scored batch by batch.

    Attributes:
        looked_at: (Time, rows of the scored faces) of each frame whose faces were to be scored.
        timings_ms: Milliseconds of work per step.
    """

    def __init__(self, score: Score) -> None:
        self.looked_at: list[tuple[float, list[int]]] = []
        self.timings_ms = {"decode": 0.0, "detect": 0.0, "score": 0.0}
        self._score = score
        self._frames: list[tuple[float, tuple[int, int], list[_Sighting]]] = []
        self._waiting: list[FaceCrop] = []
        self._parts: list[Decisions] = []
        self._rows = 0
        self._reserve: list[tuple[FaceCrop, _Sighting]] = []
        self._skipped: Counter[Reason] = Counter()
        self._crowded = False

    def add(self, found: _Found) -> None:
        """Takes the faces of a frame; full batches are scored."""
        mine = []
        for face in found.faces:
            crop = face.crop
            sighting = _Sighting(crop.box, crop.face_px, crop.upscaled, found.time_s, face.shown, face.flicker)
            mine.append(sighting)
            if face.reason:
                self._skipped[face.reason] += 1
                self._keep(crop, sighting)
            elif found.score:
                self._queue(crop, sighting)
        self._frames.append((found.time_s, found.size, mine))
        self._crowded |= found.crowded
        if found.score:
            rows = [sighting.row for sighting in mine if sighting.row is not None]
            self.looked_at.append((found.time_s, rows))

    def score_waiting(self) -> None:
        """Scores the batch that waits, full or not."""
        if self._waiting or not self._parts:
            crops, self._waiting = self._waiting, []
            start = time.perf_counter()
            self._parts.append(self._score(crops))
            self.timings_ms["score"] += (time.perf_counter() - start) * 1000

    def worst(self) -> list[tuple[float, float | None]]:
        """(Time, highest P(fake) or None) of each frame whose faces were to be scored, by time; all are scored."""
        probability = self._decisions().probability
        return sorted((time_s, float(probability[rows].max()) if rows else None) for time_s, rows in self.looked_at)

    def finish(self, scenes: SceneDetector, notes: list[str]) -> ClipAnalysis:
        """Scores what is left, follows people through everything and scores them."""
        poor = not self._rows and bool(self._reserve)
        if poor:
            for crop, sighting in self._reserve:
                self._queue(crop, sighting)
            self.score_waiting()
        decisions = self._decisions()
        seen = _follow(sorted(self._frames, key=lambda frame: frame[0]), scenes.breaks_s)
        scored = [(track, sighting) for track, sighting in seen if sighting.row is not None]
        rows = np.array([sighting.row for _, sighting in scored], np.int64)
        numbers = np.array([track for track, _ in scored], np.int64)
        # Numbered anew in the order in which they appear: not everybody who was followed was scored.
        _, first, track = np.unique(numbers, return_index=True, return_inverse=True)
        track = np.argsort(np.argsort(first))[track].astype(np.int64)
        ordered = Decisions(decisions.probability[rows], decisions.exit_stage[rows], decisions.evidence[rows])
        names = dict(zip(numbers.tolist(), track.tolist(), strict=True))
        people = [
            _person(name, [one for other, one in seen if other == number], ordered.probability[track == name])
            for number, name in sorted(names.items(), key=lambda pair: pair[1])
        ]
        notes = [*notes]
        if self._crowded:
            notes.append(f"more than {MAX_FACES} faces at once, only the largest were looked at")
        skipped: dict[str, int] = dict(sorted(self._skipped.items()))
        if skipped:
            reasons = ", ".join(f"{count} {REASONS[reason]}" for reason, count in sorted(self._skipped.items()))
            notes.append(f"{sum(skipped.values())} faces were not scored: {reasons}")
        scenes_seen = {bisect_right(scenes.cuts_s, time_s) for time_s, _ in self.looked_at}
        if (unseen := len(scenes.cuts_s) + 1 - len(scenes_seen)) > 0:
            notes.append(f"{unseen} of {len(scenes.cuts_s) + 1} scenes were not looked at")
        return ClipAnalysis(
            [one for _, one in scored], ordered, track, people, poor, scenes.cuts_s, skipped, notes, self.timings_ms
        )

    def _queue(self, crop: FaceCrop, sighting: _Sighting) -> None:
        sighting.row = self._rows
        self._rows += 1
        self._waiting.append(crop)
        self._reserve.clear()
        if len(self._waiting) == BATCH:
            self.score_waiting()

    def _keep(self, crop: FaceCrop, sighting: _Sighting) -> None:
        """Keeps a poor face while there is no better one; the largest are kept."""
        if self._rows == 0:
            self._reserve.append((crop, sighting))
            self._reserve.sort(key=lambda pair: -pair[1].face_px)
            del self._reserve[_RESERVE:]

    def _decisions(self) -> Decisions:
        return Decisions(
            np.concatenate([part.probability for part in self._parts]),
            np.concatenate([part.exit_stage for part in self._parts]),
            np.concatenate([part.evidence for part in self._parts]),
        )


def _follow(
    frames: Iterable[tuple[float, tuple[int, int], list[_Sighting]]], breaks_s: list[float]
) -> list[tuple[int, _Sighting]]:
    """The track of every face, through frames in time order; cuts and changes of the frame's size end tracks."""
    tracker = Tracker()
    seen: list[tuple[int, _Sighting]] = []
    last: tuple[int, tuple[int, int]] | None = None
    for time_s, size, faces in frames:
        place = bisect_right(breaks_s, time_s), size
        if place != last:
            tracker.cut()
        last = place
        numbers = tracker.update([face.box for face in faces], [face.shown for face in faces])
        seen += zip(numbers, faces, strict=True)
    return seen


def _person(number: int, faces: list[_Sighting], probability: NDArray[np.float32]) -> TrackVerdict:
    low, high = interval(probability) or (None, None)
    moments = [Moment(face.time_s, face.box, face.flicker) for face in faces]
    return TrackVerdict(
        track=number,
        start_s=faces[0].time_s,
        end_s=faces[-1].time_s,
        faces=len(probability),
        probability=track_probability(probability),
        low=low,
        high=high,
        temporal=temporal_evidence(moments, probability),
    )
