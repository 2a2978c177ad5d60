"""Which faces are not worth a score, and why."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from awarenet.faces import FaceBox, FaceCrop, crop_face
from awarenet.video.screening import MOST_TURNED, REASONS, screen, turned
from tests.samples import ASTRONAUT_FACE, Pixels, astronaut

FRONTAL = np.array([[203, 104], [248, 104], [224, 128], [204, 143], [243, 144]], np.float32)


def crop(image: Pixels, box: FaceBox = ASTRONAUT_FACE) -> FaceCrop:
    return crop_face(image, box)


def test_a_good_face_is_scored_large_or_enlarged() -> None:
    assert screen(crop(astronaut())) is None
    half = np.asarray(cv2.resize(astronaut(), (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
    assert screen(crop(half, FaceBox(88, 35, 48, 62, 1.0))) is None


@pytest.mark.parametrize("light", [0.35, 1.25])
def test_dim_and_bright_light_are_no_reason(light: float) -> None:
    assert screen(crop(np.asarray(np.clip(astronaut() * light, 0, 255), np.uint8))) is None


@pytest.mark.parametrize(
    ("reason", "image"),
    [
        ("blurred", cv2.GaussianBlur(astronaut(), (0, 0), 8)),
        ("dark", np.asarray(astronaut() // 20, np.uint8)),
        ("bright", np.asarray(255 - astronaut() // 40, np.uint8)),
    ],
)
def test_a_poor_face_is_skipped_for_its_reason(reason: str, image: Pixels) -> None:
    assert screen(crop(image)) == reason
    assert reason in REASONS


def test_a_small_face_is_skipped() -> None:
    assert screen(crop(astronaut(), FaceBox(200, 100, 45, 45, 1.0))) == "small"


def test_a_profile_is_skipped_and_a_half_profile_is_not() -> None:
    for nose, reason in ((224, None), (238, None), (256, "turned"), (192, "turned")):
        marks = FRONTAL.copy()
        marks[2, 0] = nose
        assert screen(crop(astronaut(), replace(ASTRONAUT_FACE, landmarks=marks))) == reason


def test_a_tilted_head_is_not_turned() -> None:
    turn = np.array([[0, 1], [-1, 0]], np.float32)
    assert turned(FRONTAL @ turn) == pytest.approx(turned(FRONTAL), abs=1e-6)
    assert turned(FRONTAL) < 0.1 < MOST_TURNED
    assert turned(np.zeros((5, 2), np.float32)) == float("inf")
