"""Which frames are looked at: the budget, still shots, and where something changes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from awarenet.video.sampling import FEW, WINDOW, WINDOWS, FirstLook, second_look

RATE = 25


def first_look(
    count: int,
    budget: int,
    *,
    moving: bool = True,
    breaks: set[int] = frozenset(),  # type: ignore[assignment]
) -> tuple[list[int], list[int]]:
    """Frames whose faces are scored, and frames that are only followed."""
    times = np.arange(count) / RATE
    look = FirstLook(times, budget)
    random = np.random.default_rng(0)
    scored, followed = [], []
    for number, time_s in enumerate(times):
        small = random.integers(0, 256, (36, 64, 3), np.uint8) if moving else np.zeros((36, 64, 3), np.uint8)
        if choice := look.choose(small, float(time_s), 5.0 * moving, number in breaks):
            (scored if choice.score else followed).append(number)
    return scored, followed


def test_the_first_look_spends_half_of_the_budget_evenly() -> None:
    scored, _ = first_look(1000, 20)
    assert len(scored) == 10
    assert scored == pytest.approx([50 + 100 * number for number in range(10)], abs=2)


def test_every_frame_of_a_clip_within_the_budget_is_looked_at() -> None:
    for count in (1, 2, 7):
        assert first_look(count, 8)[0] == list(range(count))


def test_a_still_shot_gets_few_frames_and_each_scene_anew() -> None:
    assert len(first_look(1000, 40, moving=False)[0]) == FEW
    assert len(first_look(1000, 40, moving=False, breaks={500})[0]) == 2 * FEW


def test_windows_are_frames_in_a_row_spread_over_the_clip() -> None:
    scored, followed = first_look(1000, 20)
    looked = sorted(scored + followed)
    runs = [
        [number for _, number in run]
        for _, run in itertools.groupby(enumerate(looked), key=lambda pair: pair[1] - pair[0])
    ]
    windows = [run for run in runs if len(run) > 1]
    assert [len(run) for run in windows] == [WINDOW] * WINDOWS
    assert all(run[0] in scored for run in windows)
    assert windows[-1][0] - windows[0][0] > 500


def second(
    looked_at: list[tuple[float, float | None]],
    count: int,
    *,
    motion: dict[int, float] | None = None,
    breaks: list[float] | None = None,
) -> list[float]:
    times = np.arange(500) / RATE
    moved = [(float(time_s), (motion or {}).get(number, 0.0)) for number, time_s in enumerate(times)]
    return second_look(times, moved, breaks or [], looked_at, count)


STEADY: list[tuple[float, float | None]] = [(2.0 * number + 1, 0.1) for number in range(10)]


def test_where_nothing_changes_there_is_no_second_look() -> None:
    assert second(STEADY, 10) == []


def test_the_second_look_goes_where_the_score_changes() -> None:
    changed = [(time_s, 0.9 if time_s > 10 else 0.1) for time_s, _ in STEADY]
    chosen = second(changed, 4)
    assert len(chosen) == 4 and all(9 < time_s < 11 for time_s in chosen)


def test_the_second_look_goes_where_the_picture_moves() -> None:
    chosen = second(STEADY, 4, motion=dict.fromkeys(range(305, 320), 20.0))
    assert chosen and all(11 < time_s < 13 for time_s in chosen)


def test_a_face_that_comes_is_looked_for_before_it_was_seen() -> None:
    appearing = [(time_s, 0.1 if time_s > 18 else None) for time_s, _ in STEADY]
    assert all(17 < time_s < 20 for time_s in second(appearing, 6))
    assert len(second(appearing, 6)) == 6


def test_a_scene_with_too_few_faces_gets_more() -> None:
    chosen = second(STEADY, 4, breaks=[10.2, 11.8])
    assert len(chosen) == 4
    assert all(10.2 <= time_s < 11.8 for time_s in chosen)


def test_a_scene_that_was_not_looked_at_is_not_forgotten() -> None:
    assert any(15.2 <= time_s < 16.8 for time_s in second(STEADY, 6, breaks=[15.2, 16.8]))


@given(
    st.lists(st.tuples(st.integers(0, 499), st.none() | st.floats(0, 1)), max_size=30, unique_by=lambda pair: pair[0]),
    st.lists(st.integers(1, 499), max_size=20, unique=True),
    st.integers(0, 40),
)
def test_the_budget_holds_and_no_frame_is_given_twice(
    looked: list[tuple[int, float | None]], cuts: list[int], count: int
) -> None:
    looked_at = sorted((number / RATE, probability) for number, probability in looked)
    motion = {number: float(number % 7) for number in range(500)}
    chosen = second(looked_at, count, motion=motion, breaks=sorted(cut / RATE for cut in cuts))
    assert len(chosen) <= count
    assert chosen == sorted(set(chosen))
    assert not set(chosen) & {time_s for time_s, _ in looked_at}
    assert chosen == second(looked_at, count, motion=motion, breaks=sorted(cut / RATE for cut in cuts))
