"""The verdict's JSON obeys the published schema, whatever is in it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from awarenet.stages import FEATURES, ExitStage
from awarenet.verdict import FaceVerdict, TrackVerdict, Verdict, schema
from awarenet.video.screening import REASONS
from awarenet.video.temporal import TEMPORAL_FEATURES

finite = st.floats(allow_nan=False, allow_infinity=False)
unit = st.floats(0, 1)
faces = st.builds(
    FaceVerdict,
    box=st.tuples(finite, finite, finite, finite),
    track=st.integers(0, 100),
    probability=unit,
    exit_stage=st.sampled_from([int(stage) for stage in ExitStage]),
    evidence=st.fixed_dictionaries({name: st.none() | st.floats() for name in FEATURES}),
    upscaled=st.booleans(),
    time_s=st.none() | st.floats(0, 1e6),
)
tracks = st.builds(
    TrackVerdict,
    track=st.integers(0, 100),
    start_s=st.none() | st.floats(0, 1e6),
    end_s=st.none() | st.floats(0, 1e6),
    faces=st.integers(1, 100),
    probability=unit,
    low=st.none() | unit,
    high=st.none() | unit,
    temporal=st.dictionaries(st.sampled_from(TEMPORAL_FEATURES), st.none() | st.floats(0)),
)
common: dict[str, Any] = {
    "path": st.text(),
    "model_version": st.text(),
    "policy_version": st.text(),
    "face_engine": st.text(),
    "notes": st.lists(st.text(), max_size=2),
    "timings_ms": st.dictionaries(st.text(), st.floats(0, 1e9), max_size=3),
}
scored = st.builds(
    Verdict,
    verdict=st.sampled_from(["fake", "real", "uncertain", "no_face"]),
    probability=st.none() | unit,
    faces=st.lists(faces, max_size=3),
    tracks=st.lists(tracks, max_size=3),
    duration_s=st.none() | st.floats(0, 1e6),
    scene_cuts_s=st.lists(st.floats(0, 1e6), max_size=3),
    skipped=st.dictionaries(st.sampled_from(sorted(REASONS)), st.integers(1, 99)),
    **common,
)
failed = st.builds(
    Verdict,
    verdict=st.none(),
    probability=st.none(),
    faces=st.just([]),
    error=st.text(),
    error_code=st.text(),
    **common,
)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

VALIDATOR = Draft202012Validator(schema())


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


@PATIENT
@given(scored | failed)
def test_every_verdict_obeys_the_schema_as_strict_json_on_one_line(verdict: Verdict) -> None:
    text = verdict.to_json()
    assert len(text.splitlines()) == 1 or "\n" not in text
    plain = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    VALIDATOR.validate(plain)
    assert set(plain) == set(verdict.__dataclass_fields__)


@PATIENT
@given(scored)
def test_numbers_that_are_not_finite_become_null_and_the_others_stay(verdict: Verdict) -> None:
    plain = verdict.to_dict()
    for face, told in zip(verdict.faces, plain["faces"], strict=True):
        for name, value in face.evidence.items():
            known = value is not None and math.isfinite(value)
            assert told["evidence"][name] == (value if known else None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("verdict", "maybe"),
        ("probability", 1.5),
        ("faces", None),
        ("error", "scoring failed"),
        ("extra", 1),
        ("skipped", {"small": 0}),
    ],
)
def test_the_schema_can_refuse(field: str, value: object) -> None:
    plain = Verdict("a.jpg", "real", 0.1, [], "m", "p", "yunet").to_dict()
    VALIDATOR.validate(plain)
    with pytest.raises(ValidationError):
        VALIDATOR.validate({**plain, field: value})
