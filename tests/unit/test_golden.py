"""The self-test's comparison: what passes for the same answer, and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from awarenet.errors import StartupError
from awarenet.runtime.golden import TOLERANCE, Golden, golden_faces
from awarenet.stages import FEATURES, validate_faces

EXACT = TOLERANCE["embedded"]


@pytest.fixture
def golden() -> Golden:
    evidence = np.random.default_rng(0).normal(0, 3, (2, len(FEATURES))).astype(np.float32)
    return Golden(evidence, np.array([0.2, 0.9], np.float32))


def test_the_faces_are_valid_always_the_same_and_not_flat() -> None:
    faces = golden_faces()
    validate_faces(faces)
    np.testing.assert_array_equal(faces, golden_faces())
    assert (faces.reshape(len(faces), -1).std(axis=1) > 30).all()


def test_the_same_answer_passes_whole_or_in_part(golden: Golden) -> None:
    golden.check(golden.evidence, golden.probability, EXACT)
    golden.check(golden.evidence[:1], golden.probability[:1], EXACT)


@pytest.mark.parametrize("wrong", [0.0, 5.0, np.nan])
def test_one_other_number_fails(golden: Golden, wrong: float) -> None:
    evidence = golden.evidence.copy()
    evidence[1, 3] = wrong
    with pytest.raises(StartupError, match="evidence"):
        golden.check(evidence, golden.probability, EXACT)


def test_another_probability_fails_where_the_target_computes_the_same_numbers(golden: Golden) -> None:
    other = golden.probability + 0.1
    with pytest.raises(StartupError, match="probability"):
        golden.check(golden.evidence, other, EXACT)
    golden.check(golden.evidence, other, TOLERANCE["tensorrt"])


@pytest.mark.parametrize("shape", [(0, len(FEATURES)), (2, 1)])
def test_a_corrupted_shape_fails(golden: Golden, shape: tuple[int, int]) -> None:
    with pytest.raises(StartupError, match="corrupted"):
        golden.check(np.zeros(shape, np.float32), np.zeros(shape[0], np.float32), EXACT)
