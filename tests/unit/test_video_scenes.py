"""Scene cuts while frames stream by."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from awarenet.video.scenes import SceneDetector, small_size
from tests.samples import astronaut

Small = NDArray[np.uint8]


def view(left: int, hue: int = 0) -> Small:
    """A part of the portrait, uint8 `[144, 256, 3]`; `hue` turns its colours."""
    cut = np.ascontiguousarray(astronaut()[100:244, left : left + 256, ::-1])
    tinted = cv2.cvtColor(cut, cv2.COLOR_BGR2HSV)
    tinted[..., 0] = (tinted[..., 0].astype(int) + hue) % 180
    return np.asarray(cv2.cvtColor(tinted, cv2.COLOR_HSV2BGR), np.uint8)


def cuts(frames: list[Small], times: list[float] | None = None) -> SceneDetector:
    scenes = SceneDetector()
    for number, frame in enumerate(frames):
        scenes.push(frame, number / 25 if times is None else times[number])
    return scenes


def test_a_cut_is_found_at_its_frame_and_a_moving_camera_is_none() -> None:
    scenes = cuts([view(number) for number in range(50)] + [view(number, 90) for number in range(50)])
    assert scenes.cuts_s == [2.0]
    assert cuts([view(2 * number) for number in range(100)]).cuts_s == []


def test_cuts_have_the_times_of_the_frames_where_the_rate_varies() -> None:
    times = [*np.arange(20) / 50, *(0.4 + np.arange(30) / 7)]
    scenes = cuts([view(0)] * 35 + [view(0, 90)] * 15, times)
    assert scenes.cuts_s == [times[35]]


def test_a_still_shot_has_no_motion_and_a_fade_no_cut() -> None:
    scenes = SceneDetector()
    assert [scenes.push(view(0), number / 25) for number in range(5)] == [0.0] * 5
    faded = [np.asarray(view(0) * (1 - number / 60), np.uint8) for number in range(60)]
    assert cuts(faded).cuts_s == []


def test_cuts_at_every_frame_are_breaks_though_no_scenes() -> None:
    scenes = cuts([view(0, 90 * (number % 2)) // (1 + number % 2) for number in range(40)])
    assert scenes.cuts_s == []
    assert scenes.breaks_s == pytest.approx([number / 25 for number in range(1, 40)])


def test_every_cut_is_a_break_once() -> None:
    scenes = cuts([view(0)] * 40 + [255 - view(0)] * 40)
    assert scenes.cuts_s == scenes.breaks_s == [1.6]


@pytest.mark.parametrize(
    ("size", "small"), [((1280, 720), (256, 144)), ((720, 1280), (144, 256)), ((64, 48), (64, 48))]
)
def test_small_frames_keep_their_shape(size: tuple[int, int], small: tuple[int, int]) -> None:
    assert small_size(*size) == small
    assert min(small_size(4000, 2)) >= 2
