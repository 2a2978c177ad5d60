"""The quality features on a real face: they move the way their names say."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from awarenet.quality import compression, sharpness

Faces = NDArray[np.uint8]


@pytest.fixture(scope="module")
def face() -> Faces:
    """A real face in the public domain, uint8 `[256, 256, 3]`."""
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the picture")
    return np.ascontiguousarray(data.astronaut()[0:256, 96:352])


def jpeg(face: Faces, quality: int) -> Faces:
    stream = io.BytesIO()
    Image.fromarray(face).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def reference_laplacian(face: Faces) -> NDArray[np.float64]:
    luma = face.astype(float) @ [0.25, 0.5, 0.25]
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float)
    return cv2.filter2D(luma, cv2.CV_64F, kernel)[1:-1, 1:-1]


def test_blur_lowers_sharpness_step_by_step(face: Faces) -> None:
    blurred = np.stack([face, *(cv2.GaussianBlur(face, (0, 0), sigma) for sigma in (0.5, 1, 2, 4, 8))])
    assert np.all(np.diff(sharpness(blurred)) < 0)


def test_compression_rises_as_jpeg_quality_falls(face: Faces) -> None:
    squeezed = np.stack([jpeg(face, quality) for quality in (95, 80, 60, 40, 20, 10)])
    assert np.all(np.diff(compression(squeezed)) > 0)


def test_features_equal_their_definition(face: Faces) -> None:
    response = reference_laplacian(face)
    assert sharpness(face[None])[0] == pytest.approx(np.log1p(response.var()), rel=1e-4)
    assert compression(face[None])[0] == pytest.approx((np.abs(response) < 1).mean(), abs=1e-6)


def test_a_flat_face_has_no_sharpness_and_is_wholly_flat() -> None:
    flat = np.full((1, 256, 256, 3), 77, np.uint8)
    assert sharpness(flat).tolist() == [0]
    assert compression(flat).tolist() == [1]


def test_the_strongest_pattern_does_not_overflow() -> None:
    board = np.indices((256, 256)).sum(axis=0) % 2 * 255
    faces = np.repeat(board[None, ..., None], 3, axis=3).astype(np.uint8)
    assert sharpness(faces)[0] == pytest.approx(np.log1p(1020.0**2), rel=1e-5)
    assert compression(faces).tolist() == [0]


@settings(max_examples=30)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(0, 4), st.just(6), st.just(7), st.just(3))))
def test_a_batch_gives_what_its_faces_give_one_by_one(faces: Faces) -> None:
    before = faces.copy()
    for feature in (sharpness, compression):
        together = feature(faces)
        assert together.dtype == np.float32
        assert together.shape == (len(faces),)
        assert together.tolist() == [feature(one[None])[0] for one in faces]
    np.testing.assert_array_equal(faces, before)
