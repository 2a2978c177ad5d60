"""Judging a live stream: frames in, one smoothed answer a frame out. Pure: no threads, no clock but the caller's.

A score is measured now and then for each face, not in every frame: a stream of 25 frames a second brings little news
from one frame to the next, and the heavy stages take longer than a frame. What is measured is smoothed over time, and
an alarm has hysteresis, so that an answer does not flicker.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.errors import InvalidInput, ServiceError
from awarenet.faces import CROP_SCALE, POOR_PX, FaceBox, FaceDetector, crop_face
from awarenet.policy import Policy
from awarenet.runtime import Runtime
from awarenet.stages import Route
from awarenet.verdict import VerdictWord
from awarenet.video.scenes import SceneDetector, small_size
from awarenet.video.tracks import match

MAX_TRACKS: Final = 64
"""Most people followed at once; the largest faces are taken."""

_LOGIT_LIMIT: Final = 6.0
"""Logits are kept within this before smoothing: one frame that is sure beyond reason must not outweigh a second."""

_SCENES_FROM_ANEW_S: Final = 1.0
"""A clock that falls back by more than this belongs to a stream that began anew."""

_INSTANT: Final = 1e-9
"""Seconds, and shares of evidence, that count as no difference."""


@dataclass(frozen=True)
class LiveConfiguration:
    """How a live stream is judged. Times are in seconds of the stream.

    Attributes:
        smoothing_s: Time constant of the exponential smoothing of logits.
        score_every_s: A face is scored again when its last score is so old.
        faces_per_frame: Most faces scored in one frame, those with the oldest scores first.
        longest_sample_s: A score speaks for the time since the one before, but for no more than this.
        settle_s: Evidence (in seconds, as faded by the smoothing) below which a person is `uncertain`.
        alarm_at: Smoothed P(fake) from which the alarm is raised; None takes the policy's `decide_at` plus its margin.
        alarm_after_s: How long P(fake) must stay there.
        clear_at: Smoothed P(fake) below which the alarm is cleared; None takes the policy's `decide_at`.
        clear_after_s: How long P(fake) must stay there.
        forget_after_s: A person who was not seen for so long is forgotten; so is everybody after such a gap.
        deadline_s: Age from which a frame is dropped unseen.
        waiting: Frames that may wait to be looked at, 1 or 2.
    """

    smoothing_s: float = 1.0
    score_every_s: float = 0.2
    faces_per_frame: int = 1
    longest_sample_s: float = 0.5
    settle_s: float = 0.4
    alarm_at: float | None = None
    alarm_after_s: float = 0.6
    clear_at: float | None = None
    clear_after_s: float = 1.5
    forget_after_s: float = 2.0
    deadline_s: float = 0.1
    waiting: int = 1

    def __post_init__(self) -> None:
        """Refuses values that make no sense.

        Raises:
            InvalidInput: A value is out of range.
        """
        for name in ("smoothing_s", "longest_sample_s", "settle_s", "forget_after_s", "deadline_s"):
            _require(name, getattr(self, name), above=0)
        for name in ("score_every_s", "alarm_after_s", "clear_after_s"):
            _require(name, getattr(self, name), least=0)
        for name in ("alarm_at", "clear_at"):
            if getattr(self, name) is not None:
                _require(name, getattr(self, name), least=0, most=1)
        for name, most in (("faces_per_frame", MAX_TRACKS), ("waiting", 2)):
            if isinstance(value := getattr(self, name), bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise InvalidInput(f"live: {name} must be a whole number from 1 to {most}, got {value!r}")

    def thresholds(self, policy: Policy) -> Thresholds:
        """The thresholds under a policy.

        Raises:
            InvalidInput: The alarm would be cleared above where it is raised.
        """
        alarm_at = min(1.0, policy.decide_at + policy.uncertain_margin) if self.alarm_at is None else self.alarm_at
        clear_at = min(policy.decide_at, alarm_at) if self.clear_at is None else self.clear_at
        if clear_at > alarm_at:
            raise InvalidInput(f"live: clear_at ({clear_at}) must not be above alarm_at ({alarm_at})")
        return Thresholds(alarm_at, clear_at, min(clear_at, max(0.0, policy.decide_at - policy.uncertain_margin)))


@dataclass(frozen=True)
class Thresholds:
    """Smoothed P(fake) at which the answer changes: `real_below` <= `clear_at` <= `alarm_at`."""

    alarm_at: float
    clear_at: float
    real_below: float


@dataclass(frozen=True)
class LiveTrack:
    """One person, as far as the stream has shown.

    Attributes:
        track: Number of the person within the session.
        verdict: `fake` while the alarm is on; `real` or `uncertain` otherwise.
        probability: Smoothed P(fake); None before the first score (a face too small to judge gets none).
        box: Left, top, width, height of the face where it was last seen, in pixels of the frame.
        seen_s: Stream time at which it was last seen.
    """

    track: int
    verdict: Literal["fake", "real", "uncertain"]
    probability: float | None
    box: tuple[float, float, float, float]
    seen_s: float


@dataclass(frozen=True)
class LiveScore:
    """The answer after one frame.

    Attributes:
        time_s: Stream time of the frame.
        verdict: `fake` when any person's alarm is on, else `uncertain` when anybody is, else `real`; `no_face` when
            nobody is there.
        probability: The highest smoothed P(fake); None where nobody has one.
        tracks: Everybody who is not forgotten, by number.
        scored: Faces scored in this frame.
        error: Why faces could not be scored, in words; None where nothing went wrong.
    """

    time_s: float
    verdict: VerdictWord
    probability: float | None
    tracks: tuple[LiveTrack, ...]
    scored: int = 0
    error: str | None = None

    @property
    def words(self) -> tuple[object, ...]:
        """What changes when there is something to tell: the verdict, that of each person, and the error."""
        return self.verdict, tuple((track.track, track.verdict) for track in self.tracks), self.error

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, fit for JSON."""
        plain = dataclasses.asdict(self)
        plain["tracks"] = [track | {"box": list(track["box"])} for track in plain["tracks"]]
        return plain


@dataclass(frozen=True)
class TrackState:
    """A person as a session is handed on: times are ages at the session's last frame, in seconds.

    Attributes:
        track: Number of the person.
        box: Left, top, width, height in pixels.
        unseen_s: Since the face was seen.
        unscored_s: Since it was scored; None where it never was.
        evidence: Weight of the scores so far, in [0, 1].
        logit: Their weighted mean; None where there is none.
        above_s: How long P(fake) has been at `alarm_at`; None where it is not.
        below_s: How long P(fake) has been below `clear_at`; None where it is not.
        alarm: Whether the alarm is on.
    """

    track: int
    box: tuple[float, float, float, float]
    unseen_s: float
    unscored_s: float | None
    evidence: float
    logit: float | None
    above_s: float | None
    below_s: float | None
    alarm: bool

    def __post_init__(self) -> None:
        """Refuses what no session writes.

        Raises:
            InvalidInput: A value is missing, of another type or out of range.
        """
        if isinstance(self.track, bool) or not isinstance(self.track, int) or self.track < 0:
            raise InvalidInput(f"live state: track must be a whole number from 0, got {self.track!r}")
        if not isinstance(self.alarm, bool):
            raise InvalidInput(f"live state: alarm must be true or false, got {self.alarm!r}")
        if not isinstance(self.box, tuple) or len(self.box) != 4:
            raise InvalidInput(f"live state: box must be four numbers, got {self.box!r}")
        for value in self.box[:2]:
            _require("box", value)
        for value in self.box[2:]:
            _require("box", value, above=0)
        _require("unseen_s", self.unseen_s, least=0)
        _require("evidence", self.evidence, least=0, most=1)
        for name in ("unscored_s", "above_s", "below_s"):
            if (age := getattr(self, name)) is not None:
                _require(name, age, least=0)
        if self.logit is not None:
            _require("logit", self.logit, least=-_LOGIT_LIMIT, most=_LOGIT_LIMIT)
        if (self.logit is None) != (self.unscored_s is None):
            raise InvalidInput("live state: logit and unscored_s come together")


@dataclass(frozen=True)
class LiveState:
    """A session between two frames, without pictures: another process goes on from it.

    Attributes:
        policy_version: The policy under which it was made; scores of other models do not mix with it.
        next_track: Number of the next new person.
        tracks: Everybody who is not forgotten.
    """

    policy_version: str
    next_track: int
    tracks: tuple[TrackState, ...]

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> LiveState:
        """Reads a state.

        Raises:
            InvalidInput: The text is no state of a live session.
        """
        try:
            raw: Any = json.loads(text)
            tracks = tuple(TrackState(**(track | {"box": tuple(track["box"])})) for track in raw.pop("tracks"))
            state = cls(tracks=tracks, **raw)
            numbers = {track.track for track in tracks}
            sound = (
                isinstance(state.policy_version, str)
                and isinstance(state.next_track, int)
                and len(numbers) == len(tracks) <= MAX_TRACKS
                and all(number < state.next_track for number in numbers)
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"live state: not the state of a session ({error}); start a new one") from error
        if not sound:
            raise InvalidInput("live state: numbers of tracks contradict each other; start a new session")
        return state


@dataclass
class SessionCounts:
    """What became of the frames of a session.

    Attributes:
        frames: Frames that were followed.
        out_of_order: Frames that were not later than the one before, and were ignored.
        restarts: How often everybody was forgotten, because time jumped back or stood still for too long.
        scored: Faces scored.
    """

    frames: int = 0
    out_of_order: int = 0
    restarts: int = 0
    scored: int = 0


@dataclass
class _Track:
    """A person's running sums; all times are stream times."""

    number: int
    box: FaceBox
    seen_s: float
    scored_s: float | None = None
    faded_s: float = 0.0
    evidence: float = 0.0
    logit: float | None = None
    above_s: float | None = None
    below_s: float | None = None
    alarm: bool = False

    @property
    def probability(self) -> float | None:
        return None if self.logit is None else 1 / (1 + math.exp(-self.logit))

    @property
    def judgeable(self) -> bool:
        return round(self.box.side * CROP_SCALE) >= POOR_PX

    def age_s(self, time_s: float) -> float:
        return math.inf if self.scored_s is None else time_s - self.scored_s

    def shift(self, seconds: float) -> None:
        """Moves every time, because the clock is another one."""
        for name in ("seen_s", "scored_s", "faded_s", "above_s", "below_s"):
            if (value := getattr(self, name)) is not None:
                setattr(self, name, value + seconds)


class LiveSession:
    """Follows people through a stream and smooths their scores.

    Each frame takes two calls: `follow` says which faces to score, `judge` takes the scores and gives the answer. Time
    is the stream's own, in seconds, and only moves forward: a frame that is not later than the one before is ignored.
    Where time jumps back by more than `forget_after_s`, or stands still for so long, the stream has begun anew and
    everybody is forgotten.

    Attributes:
        counts: What became of the frames so far.
    """

    def __init__(
        self,
        policy: Policy,
        configuration: LiveConfiguration | None = None,
        *,
        state: LiveState | None = None,
        away_s: float = 0.0,
    ) -> None:
        """Begins a session, or goes on with one.

        Args:
            policy: The thresholds in force.
            configuration: How the stream is judged.
            state: Where another session ended; the clocks of the two need not agree.
            away_s: Seconds between its last frame and the first one here.

        Raises:
            InvalidInput: The configuration contradicts itself, or the state was made under another policy.
        """
        self.counts = SessionCounts()
        self._configuration = configuration or LiveConfiguration()
        self._thresholds = self._configuration.thresholds(policy)
        self._policy_version = policy.version
        self._next = 0
        self._tracks: dict[int, _Track] = {}
        self._time_s: float | None = None
        self._resumed_after_s: float | None = None
        self._shown: list[_Track] = []
        self._ignored = False
        if state is not None:
            self._resume(state, _require("away_s", away_s, least=0))

    def follow(self, time_s: float, boxes: Sequence[FaceBox]) -> list[int]:
        """Takes the faces of the next frame.

        Args:
            time_s: Stream time of the frame in seconds.
            boxes: The faces in it, largest first; those beyond `MAX_TRACKS` are left out.

        Returns:
            Which of `boxes` to score now: indexes, the longest unscored first. Faces too small to judge are never
            among them.

        Raises:
            InvalidInput: The time is not a finite number.
        """
        _require("time_s", time_s)
        self._ignored = not self._move_to(time_s)
        if self._ignored:
            return []
        self.counts.frames += 1
        boxes = boxes[:MAX_TRACKS]
        numbers = match(boxes, {number: track.box for number, track in self._tracks.items()})
        self._shown = []
        for index, box in enumerate(boxes):
            number = numbers.get(index)
            if number is None:
                number, self._next = self._next, self._next + 1
                self._tracks[number] = _Track(number, box, time_s, faded_s=time_s)
            track = self._tracks[number]
            track.box, track.seen_s = box, time_s
            self._shown.append(track)
        self._forget_surplus()
        every = self._configuration.score_every_s - _INSTANT
        due = [index for index, track in enumerate(self._shown) if track.judgeable and track.age_s(time_s) >= every]
        due.sort(key=lambda index: (-self._shown[index].age_s(time_s), index))
        return due[: self._configuration.faces_per_frame]

    def judge(self, probabilities: Mapping[int, float], *, error: str | None = None) -> LiveScore:
        """Takes the scores that `follow` asked for, as far as they could be had, and answers for the frame.

        Args:
            probabilities: Index of a face in the frame to its P(fake).
            error: Why scores are missing, to be passed on.

        Raises:
            InvalidInput: A score is no probability, belongs to no face of the frame, or there was no frame yet.
        """
        if self._time_s is None:
            raise InvalidInput("live: a frame must be followed before it is judged")
        time_s = self._time_s
        if not self._ignored:
            for index, probability in probabilities.items():
                if not 0 <= index < len(self._shown):
                    raise InvalidInput(f"live: the frame has no face {index}")
                _require("probability", probability, least=0, most=1)
            for index, probability in probabilities.items():
                self._add(self._shown[index], probability, time_s)
            self.counts.scored += len(probabilities)
            for track in self._tracks.values():
                self._fade(track, time_s)
            for track in self._shown:
                self._set_alarm(track, time_s)
        return self._answer(time_s, 0 if self._ignored else len(probabilities), error)

    def cut(self) -> None:
        """Ends every track: the scene has changed, and whoever comes next is somebody else."""
        self._tracks.clear()
        self._shown = []

    def state(self) -> LiveState:
        """The session as it is now, to go on with elsewhere."""
        now = self._time_s if self._time_s is not None else 0.0
        return LiveState(self._policy_version, self._next, tuple(_saved(one, now) for one in self._tracks.values()))

    def _resume(self, state: LiveState, away_s: float) -> None:
        if state.policy_version != self._policy_version:
            raise InvalidInput(
                f"live state: made under policy {state.policy_version}, in force is {self._policy_version}; "
                "start a new session"
            )
        self._next = state.next_track
        self._resumed_after_s = away_s
        self._tracks = {one.track: _restored(one) for one in state.tracks}

    def _move_to(self, time_s: float) -> bool:
        """Sets the clock; False where the frame must be ignored."""
        if self._resumed_after_s is not None:
            for track in self._tracks.values():
                track.shift(time_s - self._resumed_after_s)
            self._time_s, self._resumed_after_s = time_s - self._resumed_after_s, None
        elif self._time_s is not None and time_s <= self._time_s:
            if self._time_s - time_s <= self._configuration.forget_after_s:
                self.counts.out_of_order += 1
                return False
            self.cut()
            self.counts.restarts += 1
        if self._time_s is not None and time_s - self._time_s > self._configuration.forget_after_s:
            self.counts.restarts += bool(self._tracks)
        self._time_s = time_s
        oldest = time_s - self._configuration.forget_after_s - _INSTANT
        self._tracks = {number: track for number, track in self._tracks.items() if track.seen_s >= oldest}
        return True

    def _forget_surplus(self) -> None:
        """Keeps `MAX_TRACKS` people, those seen last."""
        surplus = sorted(self._tracks.values(), key=lambda track: (-track.seen_s, track.number))[MAX_TRACKS:]
        for track in surplus:
            del self._tracks[track.number]

    def _fade(self, track: _Track, time_s: float) -> None:
        track.evidence *= math.exp(-(time_s - track.faded_s) / self._configuration.smoothing_s)
        track.faded_s = time_s

    def _add(self, track: _Track, probability: float, time_s: float) -> None:
        """Exponential smoothing of the logit over time, whatever the rate of the samples.

        The weight of a sample that speaks for dt seconds is 1 - exp(-dt / smoothing_s), and everything fades by
        exp(-dt / smoothing_s); the mean is normalised by the sum of weights, so the first sample is not mixed with an
        invented past.
        """
        self._fade(track, time_s)
        spoken_for_s = self._configuration.score_every_s if track.scored_s is None else time_s - track.scored_s
        spoken_for_s = min(max(spoken_for_s, _INSTANT), self._configuration.longest_sample_s)
        weight = -math.expm1(-spoken_for_s / self._configuration.smoothing_s)
        before = 0.0 if track.logit is None else track.logit * track.evidence
        track.evidence += weight
        track.logit = (before + _logit(probability) * weight) / track.evidence
        track.evidence = min(1.0, track.evidence)
        track.scored_s = time_s

    def _settled(self, track: _Track) -> bool:
        needed = -math.expm1(-self._configuration.settle_s / self._configuration.smoothing_s)
        return track.evidence >= needed - _INSTANT

    def _set_alarm(self, track: _Track, time_s: float) -> None:
        probability = track.probability
        if probability is None or not self._settled(track):
            # Evidence that has faded carries no alarm.
            track.alarm, track.above_s, track.below_s = False, None, None
            return
        track.above_s = _since(track.above_s, probability >= self._thresholds.alarm_at, time_s)
        track.below_s = _since(track.below_s, probability < self._thresholds.clear_at, time_s)
        long_enough = self._configuration.clear_after_s if track.alarm else self._configuration.alarm_after_s
        since = track.below_s if track.alarm else track.above_s
        if since is not None and time_s - since >= long_enough - _INSTANT:
            track.alarm = not track.alarm

    def _answer(self, time_s: float, scored: int, error: str | None) -> LiveScore:
        tracks = tuple(self._seen(track) for track in self._tracks.values())
        words = {track.verdict for track in tracks}
        known = [track.probability for track in tracks if track.probability is not None]
        order: tuple[VerdictWord, ...] = ("fake", "uncertain", "real")
        word: VerdictWord = next((word for word in order if word in words), "no_face")
        return LiveScore(time_s, word, max(known, default=None), tracks, scored, error)

    def _seen(self, track: _Track) -> LiveTrack:
        word: Literal["fake", "real", "uncertain"] = "uncertain"
        if track.alarm:
            word = "fake"
        elif (probability := track.probability) is not None and self._settled(track):
            word = "real" if probability < self._thresholds.real_below else "uncertain"
        return LiveTrack(track.number, word, track.probability, _rounded(track.box), track.seen_s)


class LiveDetector:
    """Finds and scores the faces of a stream's frames, scene by scene; one per stream.

    Attributes:
        session: What is known about the people in the stream.
    """

    def __init__(
        self, runtime: Runtime, face_detector: FaceDetector, session: LiveSession, *, route: Route = "cascade"
    ) -> None:
        """Puts the parts together.

        Args:
            runtime: Where the cascade runs.
            face_detector: What finds the faces.
            session: Of the same policy as the runtime.
            route: `cascade` exits early, `full` runs every stage.
        """
        self.session = session
        self._runtime = runtime
        self._faces = face_detector
        self._route: Route = route
        self._scenes = SceneDetector()
        self._scene_shape: tuple[int, ...] = ()
        self._scene_time_s = -math.inf

    def look(self, image: NDArray[np.uint8], time_s: float, *, timeout_s: float | None = None) -> LiveScore:
        """Looks at one frame.

        Where the runtime cannot answer, the frame is judged by what is known, and the answer carries the error:
        a stream outlives the restart of a server.

        Args:
            image: uint8 `[H, W, 3]`, RGB, upright.
            time_s: Stream time of the frame in seconds.
            timeout_s: Seconds that scoring may take; None for the runtime's own limit.

        Raises:
            InvalidInput: The time is not a finite number.
        """
        if self._is_cut(image, _require("time_s", time_s)):
            self.session.cut()
        boxes = self._faces.detect(image, thorough=False)
        wanted = self.session.follow(time_s, boxes)
        if not wanted:
            return self.session.judge({})
        crops = [crop_face(image, boxes[index]) for index in wanted]
        faces = np.stack([crop.face for crop in crops])
        sizes = np.array([crop.face_px for crop in crops], np.float32)
        try:
            decisions = self._runtime.score(faces, sizes, route=self._route, timeout_s=timeout_s)
        except ServiceError as error:
            return self.session.judge({}, error=str(error))
        return self.session.judge(dict(zip(wanted, map(float, decisions.probability), strict=True)))

    def _is_cut(self, image: NDArray[np.uint8], time_s: float) -> bool:
        """Whether a scene was found to have ended: at a jump at once, at a softer cut up to two frames late."""
        if image.shape != self._scene_shape or time_s <= self._scene_time_s - _SCENES_FROM_ANEW_S:
            begun = bool(self._scene_shape)
            self._scenes, self._scene_shape, self._scene_time_s = SceneDetector(), image.shape, -math.inf
        else:
            begun = False
        if time_s <= self._scene_time_s:
            return False
        self._scene_time_s = time_s
        size = small_size(image.shape[1], image.shape[0])
        small = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_RGB2BGR)
        before = len(self._scenes.breaks_s)
        self._scenes.push(np.asarray(small, np.uint8), time_s)
        return begun or len(self._scenes.breaks_s) > before


def _logit(probability: float) -> float:
    limit = 1 / (1 + math.exp(_LOGIT_LIMIT))
    kept = min(max(probability, limit), 1 - limit)
    return max(-_LOGIT_LIMIT, min(_LOGIT_LIMIT, math.log(kept / (1 - kept))))


def _since(since: float | None, holds: bool, time_s: float) -> float | None:
    """Since when a condition has held without a break."""
    if not holds:
        return None
    return time_s if since is None else since


def _rounded(box: FaceBox) -> tuple[float, float, float, float]:
    return round(box.x, 2), round(box.y, 2), round(box.width, 2), round(box.height, 2)


def _saved(track: _Track, now: float) -> TrackState:
    def age(since: float | None) -> float | None:
        return None if since is None else max(0.0, now - since)

    return TrackState(
        track=track.number,
        box=(track.box.x, track.box.y, track.box.width, track.box.height),
        unseen_s=max(0.0, now - track.seen_s),
        unscored_s=age(track.scored_s),
        evidence=track.evidence,
        logit=track.logit,
        above_s=age(track.above_s),
        below_s=age(track.below_s),
        alarm=track.alarm,
    )


def _restored(saved: TrackState) -> _Track:
    """A track on a clock that stands at 0."""

    def since(age: float | None) -> float | None:
        return None if age is None else -age

    return _Track(
        number=saved.track,
        box=FaceBox(*saved.box, 1.0),
        seen_s=-saved.unseen_s,
        scored_s=since(saved.unscored_s),
        faded_s=0.0,
        evidence=saved.evidence,
        logit=saved.logit,
        above_s=since(saved.above_s),
        below_s=since(saved.below_s),
        alarm=saved.alarm,
    )


def _require(
    name: str, value: Any, *, least: float = -math.inf, above: float = -math.inf, most: float = math.inf
) -> float:
    """The value, if it is a finite number within its range.

    Raises:
        InvalidInput: It is not.
    """
    number = isinstance(value, (int, float, np.floating)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not least <= value <= most or not value > above:
        limits = [
            f"{word} {limit:g}"
            for word, limit in (("at least", least), ("above", above), ("at most", most))
            if math.isfinite(limit)
        ]
        raise InvalidInput(f"live: {name} must be a finite number {' and '.join(limits)}".rstrip() + f", got {value!r}")
    return float(value)
