"""Each temporal feature on a clip where it must move, and on clips where it must not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from awarenet.faces import FaceBox
from awarenet.video.temporal import (
    TEMPORAL_FEATURES,
    Moment,
    boundary_jitter,
    flicker,
    landmark_jitter,
    temporal_evidence,
)
from tests.samples import Pixels, astronaut

BOX = FaceBox(100.0, 60.0, 97.0, 125.0, 1.0)
MARKS = np.array([[125, 100], [165, 100], [145, 125], [128, 150], [160, 150]], np.float32)


def view(shift: int) -> NDArray[np.uint8]:
    """A camera that moves over the portrait; the face lies at `BOX` for shift 0."""
    return np.ascontiguousarray(astronaut()[10:330, 75 + shift : 395 + shift])


def with_face(image: Pixels, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Pixels:
    """The picture with something done to the middle of the face."""
    changed = image.astype(float)
    changed[90:170, 115:180] = change(changed[90:170, 115:180])
    return changed.clip(0, 255).astype(np.uint8)


def test_a_face_that_flickers_is_told_from_one_that_moves() -> None:
    steady = flicker(view(0), view(3), BOX)
    noise = np.random.default_rng(0).normal(0, 25, (80, 65, 1))
    flickering = flicker(view(0), with_face(view(3), lambda face: face + noise), BOX)
    assert steady < 1
    assert flickering > 3


@pytest.mark.parametrize("change", ["nothing", "light", "noise"])
def test_what_happens_to_the_whole_frame_is_no_flicker_of_the_face(change: str) -> None:
    after = view(0).astype(float)
    if change == "light":
        after += 12
    if change == "noise":
        after += np.random.default_rng(1).normal(0, 12, after.shape)
    assert flicker(view(0), after.clip(0, 255).astype(np.uint8), BOX) < 1.5


def edges(shake: float, *, growth: float = 1.0) -> NDArray[np.float64]:
    random = np.random.default_rng(2)
    steady = np.array([[100 + 3 * t, 50 - t, 200 + (3 + growth) * t, 150 + t] for t in range(8)], float)
    return steady + random.normal(0, shake, steady.shape)


def test_edges_that_shake_are_told_from_edges_that_move_and_grow() -> None:
    assert boundary_jitter(edges(0.0)) == pytest.approx(0, abs=1e-9)
    assert boundary_jitter(edges(3.0)) > 0.02
    assert boundary_jitter(edges(3.0) * 10) == pytest.approx(boundary_jitter(edges(3.0)))


def marks(shake: float) -> NDArray[np.float64]:
    """A head that moves, nears and tilts, with landmarks that shake."""
    random = np.random.default_rng(3)
    frames = []
    for t in range(8):
        turn = np.array([[np.cos(0.05 * t), -np.sin(0.05 * t)], [np.sin(0.05 * t), np.cos(0.05 * t)]])
        frames.append((MARKS @ turn) * (1 + 0.03 * t) + 4 * t)
    return np.array(frames) + random.normal(0, shake, (8, 5, 2))


def test_landmarks_that_shake_are_told_from_a_head_that_moves_nears_and_tilts() -> None:
    assert landmark_jitter(marks(0.0)) == pytest.approx(0, abs=1e-6)
    assert landmark_jitter(marks(1.5)) > 0.02


def moments(times: list[float], *, shake: float = 0.0, change: float | None = 1.0) -> list[Moment]:
    random = np.random.default_rng(4)
    return [
        Moment(
            time_s,
            FaceBox(*(np.array([100 + time_s, 60, 97, 125]) + random.normal(0, shake, 4)).tolist(), 1.0, MARKS),
            change,
        )
        for time_s in times
    ]


BURST = [number / 25 for number in range(8)]


def test_scores_that_disagree_are_told_from_scores_that_agree() -> None:
    spread = [
        temporal_evidence(moments(BURST), np.array(values, np.float32))["score_spread"] or 0.0
        for values in ([0.3] * 8, [0.1, 0.9] * 4)
    ]
    assert spread[0] == pytest.approx(0) and spread[1] > 2


def test_every_feature_is_named_and_measured_where_there_are_frames_in_a_row() -> None:
    evidence = temporal_evidence(moments(BURST, shake=2.0, change=3.0), np.full(8, 0.3, np.float32))
    assert tuple(evidence) == TEMPORAL_FEATURES
    assert evidence["flicker"] == pytest.approx(3.0)
    assert evidence["boundary_jitter"] is not None and evidence["boundary_jitter"] > 0.01
    assert evidence["landmark_jitter"] == pytest.approx(0, abs=1e-6)


def test_without_frames_in_a_row_motion_is_not_measured() -> None:
    evidence = temporal_evidence(moments([0.0, 1.0, 2.0, 3.0]), np.full(4, 0.3, np.float32))
    assert evidence["score_spread"] is not None
    assert evidence["flicker"] is evidence["boundary_jitter"] is evidence["landmark_jitter"] is None


def test_too_few_scores_and_no_landmarks_leave_features_out() -> None:
    bare = [Moment(one.time_s, FaceBox(100, 60, 97, 125, 1.0), None) for one in moments(BURST)]
    evidence = temporal_evidence(bare, np.full(2, 0.3, np.float32))
    assert evidence == {"score_spread": None, "flicker": None, "boundary_jitter": 0.0, "landmark_jitter": None}


def test_one_bad_window_does_not_decide() -> None:
    bursts = [moments([start + time_s for time_s in BURST]) for start in (0.0, 5.0, 10.0)]
    shaken = moments([5.0 + time_s for time_s in BURST], shake=9.0)
    calm = temporal_evidence([*bursts[0], *bursts[1], *bursts[2]], np.full(3, 0.3, np.float32))
    evidence = temporal_evidence([*bursts[0], *shaken, *bursts[2]], np.full(3, 0.3, np.float32))
    assert evidence["boundary_jitter"] == pytest.approx(calm["boundary_jitter"], abs=1e-6)
