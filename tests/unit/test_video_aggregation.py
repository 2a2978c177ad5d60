"""The score of a track and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from awarenet.video.aggregation import interval, logits, track_probability


def test_the_score_of_a_track_is_the_mean_of_its_logits() -> None:
    assert track_probability(np.array([0.9, 0.5], np.float32)) == pytest.approx(1 / (1 + np.exp(-np.log(9) / 2)))
    assert track_probability(np.array([0.2], np.float32)) == pytest.approx(0.2)
    assert track_probability(np.array([1.0], np.float32)) == 1.0


def test_one_face_in_ten_that_is_far_off_changes_little() -> None:
    steady = [0.2, 0.21, 0.19, 0.2, 0.22, 0.2, 0.18, 0.2, 0.21]
    assert track_probability(np.array([*steady, 0.999999], np.float32)) == pytest.approx(0.2, abs=0.02)


def test_the_interval_is_students_t_over_blocks_around_the_score() -> None:
    probability = np.array([0.2, 0.4, 0.3, 0.5], np.float32)
    low, high = interval(probability) or (0.0, 0.0)
    values = logits(probability)
    half = 3.182446 * values.std(ddof=1) / 2
    assert (low, high) == pytest.approx([1 / (1 + np.exp(-(values.mean() + one))) for one in (-half, half)], rel=1e-4)


def test_frames_that_are_alike_do_not_narrow_the_interval() -> None:
    blocks = [0.2, 0.6, 0.3, 0.7, 0.2, 0.6, 0.4, 0.5]
    few, many = interval(np.array(blocks, np.float32)), interval(np.repeat(blocks, 10).astype(np.float32))
    assert few and many
    assert np.ptp(logits(np.array(many, np.float32))) == pytest.approx(
        np.ptp(logits(np.array(few, np.float32))), rel=0.05
    )


def test_two_faces_have_no_interval() -> None:
    assert interval(np.array([0.1, 0.9], np.float32)) is None
    assert interval(np.array([0.1, 0.9, 0.5], np.float32)) is not None


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40))
def test_a_track_lies_between_its_faces_and_inside_its_interval(values: list[float]) -> None:
    probability = np.array(values, np.float32)
    score = track_probability(probability)
    assert min(values) - 1e-5 <= score <= max(values) + 1e-5
    if bounds := interval(probability):
        assert 0 <= bounds[0] <= score + 1e-9 and score - 1e-9 <= bounds[1] <= 1
