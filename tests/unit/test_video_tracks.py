"""Following faces through frames: two people never mix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from awarenet.faces import FaceBox
from awarenet.video.tracks import Tracker, colours
from tests.samples import face


def box(x: float, y: float = 0.0, side: float = 40.0) -> FaceBox:
    return FaceBox(x, y, side, side, 1.0)


def follow(frames: Sequence[Sequence[FaceBox]]) -> list[list[int]]:
    tracker = Tracker()
    return [tracker.update(boxes) for boxes in frames]


def test_two_people_who_drift_keep_their_numbers_whatever_the_order() -> None:
    frames = [[box(0), box(200)], [box(210), box(10)], [box(20), box(220)]]
    assert follow(frames) == [[0, 1], [1, 0], [0, 1]]


def test_a_newcomer_gets_a_new_number_and_a_returner_his_old_one() -> None:
    assert follow([[box(0)], [], [box(100), box(5)], [box(300)]]) == [[0], [], [1, 0], [2]]


def test_the_best_overlap_wins_a_contested_track() -> None:
    assert follow([[box(0)], [box(20), box(2)]]) == [[0], [1, 0]]


def test_whoever_stands_where_somebody_was_long_ago_is_somebody_new() -> None:
    assert follow([[box(0)], *[[]] * 20, [box(0)]])[-1] == [1]


def test_a_cut_ends_every_track() -> None:
    tracker = Tracker()
    assert tracker.update([box(0), box(200)]) == [0, 1]
    tracker.cut()
    assert tracker.update([box(0), box(200)]) == [2, 3]


def test_another_person_in_the_same_place_is_somebody_new() -> None:
    light, dark = colours(face()), colours(np.asarray(face() // 3, np.uint8))
    tracker = Tracker()
    assert tracker.update([box(0)], [light]) == [0]
    assert tracker.update([box(1)], [dark]) == [1]
    assert tracker.update([box(1)], [dark]) == [1]


def test_two_people_who_change_places_are_not_mixed() -> None:
    light, dark = colours(face()), colours(np.asarray(face() // 3, np.uint8))
    tracker = Tracker()
    assert tracker.update([box(0), box(100)], [light, dark]) == [0, 1]
    after = tracker.update([box(0), box(100)], [dark, light])
    assert set(after).isdisjoint({0, 1}) or after == [1, 0]


def test_a_little_more_light_does_not_make_somebody_new() -> None:
    lit = np.asarray(np.clip(face() * 1.08, 0, 255), np.uint8)
    tracker = Tracker()
    assert tracker.update([box(0)], [colours(face())]) == tracker.update([box(3)], [colours(lit)]) == [0]


def test_somebody_who_moves_fast_is_followed_where_nobody_else_it_could_be_is_near() -> None:
    light, dark = colours(face()), colours(np.asarray(face() // 3, np.uint8))
    tracker = Tracker()
    assert tracker.update([box(0), box(300)], [light, dark]) == [0, 1]
    assert tracker.update([box(90), box(310)], [light, dark]) == [0, 1]
    assert tracker.update([box(90), box(310)], [dark, light]) == [2, 3]
    alone = Tracker()
    assert alone.update([box(0)], [light]) == [0]
    assert alone.update([box(80), box(-80)], [light, light]) == [1, 2]
    far = Tracker()
    assert far.update([box(0)], [light]) == far.update([box(0)], [light]) == [0]
    assert far.update([box(400)], [light]) == [1]


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
