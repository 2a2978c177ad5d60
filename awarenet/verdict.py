"""What the user gets: dataclasses that become JSON, and the schema that the JSON obeys (`verdict.schema.json`)."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

VerdictWord = Literal["fake", "real", "uncertain", "no_face"]


@dataclass(frozen=True)
class FaceVerdict:
    """One face (in one frame of a clip), with the evidence behind its score.

    Attributes:
        box: Left, top, width, height in pixels of the oriented picture.
        track: Number of the person's track within the clip; 0 in pictures with one frame is the first face.
        time_s: Presentation time of the frame in seconds; None for pictures.
        probability: P(fake) in [0, 1].
        exit_stage: The stage that decided: 1 fast filter, 3 meta-model.
        evidence: Feature name to value; None where a stage did not run.
        upscaled: Whether the face had fewer pixels than the networks look at.
    """

    box: tuple[float, float, float, float]
    track: int
    probability: float
    exit_stage: int
    evidence: dict[str, float | None]
    upscaled: bool
    time_s: float | None = None


@dataclass(frozen=True)
class TrackVerdict:
    """One person: a face of a picture, or a face followed through a clip.

    Attributes:
        track: The number that its faces carry.
        start_s: Time of the first frame in which it was found, in seconds; None for pictures.
        end_s: Time of the last one; None for pictures.
        faces: Number of its scored faces.
        probability: P(fake) in [0, 1]: for clips the trimmed mean of the logits of its faces.
        low: Lower bound of the 95 % interval of `probability` over the choice of frames; None for too few faces.
        high: Upper bound.
        temporal: Name to value of each feature of `awarenet.video.temporal`, >= 0 and larger where the face is less
            steady; None where it could not be measured; empty for pictures. Not part of `probability`.
    """

    track: int
    start_s: float | None
    end_s: float | None
    faces: int
    probability: float
    low: float | None = None
    high: float | None = None
    temporal: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The answer for one picture or clip.

    Attributes:
        path: The file as the caller named it.
        verdict: `fake`, `real`, `uncertain` or `no_face`; None where scoring failed.
        probability: P(fake) of the worst track in [0, 1]; None without a face.
        faces: Every scored face, in time order.
        error: What went wrong, in words with a remedy; None where scoring succeeded.
        error_code: The stable `code` of the error.
        model_version: Twelve hexadecimal digits of the models.
        policy_version: Twelve hexadecimal digits of the policy.
        face_engine: The face detector that found the boxes.
        notes: Plain remarks on what limits the verdict (upscaled faces, damaged tail, ...).
        timings_ms: Milliseconds per step: decode, detect, score. In clips the steps overlap.
        tracks: Every person with a scored face, by ascending number.
        duration_s: Time of the last frame of a clip in seconds; None for pictures.
        scene_cuts_s: Time of the first frame of each scene of a clip but the first, ascending.
        skipped: Reason to number of faces of a clip that were found and not scored (see `awarenet.video.screening`).
    """

    path: str
    verdict: VerdictWord | None
    probability: float | None
    faces: list[FaceVerdict]
    model_version: str
    policy_version: str
    face_engine: str
    error: str | None = None
    error_code: str | None = None
    notes: list[str] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)
    tracks: list[TrackVerdict] = field(default_factory=list)
    duration_s: float | None = None
    scene_cuts_s: list[float] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers that obey the schema; numbers that are not finite become null."""
        plain: dict[str, Any] = _finite(dataclasses.asdict(self))
        return plain

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)


def schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of `Verdict.to_dict`."""
    loaded: dict[str, Any] = json.loads((Path(__file__).with_name("verdict.schema.json")).read_text(encoding="utf-8"))
    return loaded


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
