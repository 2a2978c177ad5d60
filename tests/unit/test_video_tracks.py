"""Following faces through frames and the score of a track."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from awarenet.faces import FaceBox
from awarenet.video.tracks import follow, track_probabilities


def box(x: float, y: float = 0.0, side: float = 40.0) -> FaceBox:
    return FaceBox(x, y, side, side, 1.0)


def test_two_people_who_drift_keep_their_numbers_whatever_the_order() -> None:
    frames = [[box(0), box(200)], [box(210), box(10)], [box(20), box(220)]]
    assert follow(frames) == [[0, 1], [1, 0], [0, 1]]


def test_a_newcomer_gets_a_new_number_and_a_returner_his_old_one() -> None:
    assert follow([[box(0)], [], [box(100), box(5)], [box(300)]]) == [[0], [], [1, 0], [2]]


def test_the_best_overlap_wins_a_contested_track() -> None:
    assert follow([[box(0)], [box(20), box(2)]]) == [[0], [1, 0]]


def test_no_frames_have_no_tracks() -> None:
    assert follow([]) == []
    assert follow([[], []]) == [[], []]


@given(st.lists(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=5), max_size=6))
def test_within_a_frame_every_face_has_a_track_of_its_own(places: list[list[tuple[int, int]]]) -> None:
    numbers = follow([[box(float(x), float(y)) for x, y in frame] for frame in places])
    seen = [number for frame in numbers for number in frame]
    assert [len(frame) for frame in numbers] == [len(frame) for frame in places]
    assert all(len(set(frame)) == len(frame) for frame in numbers)
    assert set(seen) == set(range(len(set(seen))))


def test_the_score_of_a_track_is_the_mean_of_its_logits() -> None:
    probability = np.array([0.9, 0.5, 0.2], np.float32)
    scores = track_probabilities(probability, np.array([4, 4, 1]))
    logit = np.log(9) / 2
    assert scores == pytest.approx({1: 0.2, 4: 1 / (1 + np.exp(-logit))}, rel=1e-5)
    assert list(scores) == [1, 4]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8))
def test_a_track_lies_between_its_faces(values: list[float]) -> None:
    (score,) = track_probabilities(np.array(values, np.float32), np.zeros(len(values), np.int64)).values()
    assert min(values) - 1e-5 <= score <= max(values) + 1e-5
