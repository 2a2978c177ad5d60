"""Finding and cropping faces: both engines, one geometry."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from awarenet.errors import ModelError
from awarenet.face_engines import HogDetector, YuNetDetector, create_detector, hog
from awarenet.face_engines.calibrate import ratios
from awarenet.face_engines.search import search, suppress
from awarenet.face_engines.yunet import MODEL_FILE, MODEL_SHA256, fetch_model, find_model
from awarenet.faces import FaceBox, FaceDetector, crop_face, overlap
from awarenet.media import read_picture
from tests.samples import ASTRONAUT_FACE, astronaut, face, mosaic

REPOSITORY = Path(__file__).resolve().parents[2]


def yunet_file() -> Path:
    """The YuNet file where this machine has one."""
    shared = Path(os.environ.get("AWARENET_SHARED") or REPOSITORY.parent / "shared")
    there = shared / "data" / "weights" / "yunet" / MODEL_FILE
    found = there if there.is_file() else find_model()
    if found is None:
        pytest.skip("no YuNet file: run `awarenet fetch-face-model` or set AWARENET_YUNET")
    return found


@pytest.fixture(scope="module", params=["yunet", "hog"])
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    return HogDetector() if request.param == "hog" else YuNetDetector(yunet_file())


def iou(first: FaceBox, second: FaceBox) -> float:
    return overlap(first, second)[0]


def test_the_astronaut_has_one_face(detector: FaceDetector) -> None:
    (box,) = detector.detect(astronaut())
    assert iou(box, ASTRONAUT_FACE) > 0.6
    assert 0.5 < box.score <= 1 and box.turn == 0


def test_both_engines_agree_on_the_box() -> None:
    (first,), (second,) = YuNetDetector(yunet_file()).detect(astronaut()), HogDetector().detect(astronaut())
    assert iou(first, second) > 0.7
    assert abs(first.side - second.side) < 0.1 * first.side
    crops = [crop_face(astronaut(), box).face.astype(int) for box in (first, second)]
    assert np.abs(crops[0] - crops[1]).mean() < 25


def test_the_map_between_the_engines_is_what_pictures_say() -> None:
    shared = Path(os.environ.get("AWARENET_SHARED") or REPOSITORY.parent / "shared") / "data" / "full_frames"
    files = sorted(shared.rglob("*.jpg"))[::3]
    if not files:
        pytest.skip("needs pictures of many people: set AWARENET_SHARED")
    engines = YuNetDetector(yunet_file()), HogDetector()
    rows, agreement = [], []
    for path in files:
        first, second = (engine.detect(read_picture(path).image, thorough=False) for engine in engines)
        if len(first) == len(second) == 1:
            rows.append(ratios(second[0], first[0]))
            agreement.append(iou(first[0], second[0]))
    assert len(rows) > 0.8 * len(files)
    measured = np.median(np.array(rows), axis=0)
    assert measured == pytest.approx([hog.SHIFT_X, hog.SHIFT_Y, hog.WIDTH, hog.HEIGHT], abs=0.05)
    assert np.median(agreement) > 0.8


def test_sixty_faces_are_all_found(detector: FaceDetector) -> None:
    boxes = detector.detect(mosaic(6, 10, 96))
    assert len(boxes) == 60
    tiles = {(int(box.x + box.width / 2) // 96, int(box.y + box.height / 2) // 96) for box in boxes}
    assert len(tiles) == 60
    assert [box.side for box in boxes] == sorted((box.side for box in boxes), reverse=True)


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_pictures_that_lie_on_their_side_give_upright_crops(detector: FaceDetector, turn: int) -> None:
    (upright,) = detector.detect(astronaut())
    lying = np.ascontiguousarray(np.rot90(astronaut(), -turn))
    (box,) = detector.detect(lying)
    assert box.turn == turn
    crops = [crop_face(image, found) for image, found in ((astronaut(), upright), (lying, box))]
    assert np.abs(crops[0].face.astype(int) - crops[1].face).mean() < 12


def test_turns_are_not_tried_in_frames_of_clips() -> None:
    lying = np.ascontiguousarray(np.rot90(astronaut()))
    assert HogDetector().detect(lying, thorough=False) == []


def test_a_face_in_a_huge_picture_is_found(detector: FaceDetector) -> None:
    large = np.asarray(cv2.resize(astronaut(), (4000, 4000)), np.uint8)
    (box,) = detector.detect(large)
    scale = 4000 / 512
    expected = FaceBox(*(value * scale for value in (175, 70, 97, 125)), 1.0)
    assert iou(box, expected) > 0.6


def test_a_small_face_in_a_large_picture_is_found_by_the_second_pass(detector: FaceDetector) -> None:
    wall = np.full((1440, 1920, 3), 90, np.uint8)
    wall[1000:1160, 300:460] = face()
    boxes = detector.detect(wall)
    assert len(boxes) == 1
    assert iou(boxes[0], FaceBox(300 + 30, 1000 + 25, 97, 125, 1.0)) > 0.5


def test_a_tiny_picture_of_a_face_is_no_problem() -> None:
    tiny = np.asarray(cv2.resize(face(), (48, 48), interpolation=cv2.INTER_AREA), np.uint8)
    assert len(YuNetDetector(yunet_file()).detect(tiny)) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (15, 15), (40, 20_000), (3, 3)])
def test_odd_sizes_have_no_face(detector: FaceDetector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.full((*shape, 3), 200, np.uint8)) == []


def test_noise_and_flat_pictures_have_no_face(detector: FaceDetector) -> None:
    random = np.random.default_rng(0)
    assert detector.detect(random.integers(0, 256, (480, 640, 3), np.uint8)) == []
    assert detector.detect(np.zeros((480, 640, 3), np.uint8)) == []


def test_detection_is_the_same_from_many_threads(detector: FaceDetector) -> None:
    pictures = [astronaut(), mosaic(2, 2, 128), np.ascontiguousarray(astronaut()[:, ::-1])] * 3
    alone = [boxes_of(detector, picture) for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda picture: boxes_of(detector, picture), pictures))
    assert together == alone


def boxes_of(detector: FaceDetector, image: NDArray[np.uint8]) -> list[tuple[float, ...]]:
    return [(box.x, box.y, box.width, box.height, box.score) for box in detector.detect(image)]


def test_landmarks_lie_in_the_face_in_lying_pictures_too() -> None:
    detector = YuNetDetector(yunet_file())
    (upright,) = detector.detect(astronaut())
    (lying,) = detector.detect(np.ascontiguousarray(np.rot90(astronaut(), 1)))
    assert upright.landmarks is not None and lying.landmarks is not None
    # rot90 takes (x, y) of the 512-wide picture to (y, 512 - x).
    expected = np.stack([upright.landmarks[:, 1], 512 - upright.landmarks[:, 0]], axis=1)
    assert np.abs(lying.landmarks - expected).max() < 4


def test_boxes_come_back_from_every_turn_of_the_search() -> None:
    truth = FaceBox(90, 150, 60, 72, 0.95)
    picture = np.zeros((300, 600, 3), np.uint8)
    picture[150:222, 90:150] = 255
    picture[150:168, 90:150] = 128  # the top of the "face"

    def find(image: NDArray[np.uint8]) -> list[FaceBox]:
        rows, columns = np.nonzero(image[..., 0])
        y, x, height, width = rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1
        upright = (image[y, x : x + width] == 128).all() and height > width
        return [FaceBox(float(x), float(y), float(width), float(height), 0.95 if upright else 0.3)]

    for turn in range(4):
        image = np.ascontiguousarray(np.rot90(picture, -turn))
        (box,) = search(image, find, least=20, sure=0.9, thorough=True)
        assert box.turn == turn and box.score == 0.95
        crop = crop_face(image, box, size=48)
        expected = crop_face(picture, truth, size=48)
        assert np.abs(crop.face.astype(int) - expected.face).mean() < 8


def test_of_boxes_on_one_face_the_surest_is_kept() -> None:
    face_box, shifted = FaceBox(10, 10, 40, 50, 0.9), FaceBox(14, 12, 40, 50, 0.7)
    nose, neighbour = FaceBox(25, 30, 10, 10, 0.8), FaceBox(52, 10, 40, 50, 0.6)
    assert suppress([shifted, nose, neighbour, face_box]) == [face_box, neighbour]


def test_overlap_of_boxes() -> None:
    box = FaceBox(0, 0, 10, 10, 1.0)
    assert overlap(box, box) == (1.0, 1.0)
    assert overlap(box, FaceBox(10, 0, 5, 5, 1.0)) == (0.0, 0.0)
    assert overlap(box, FaceBox(5, 0, 10, 10, 1.0)) == pytest.approx((50 / 150, 0.5))
    assert overlap(box, FaceBox(2, 2, 5, 5, 1.0)) == pytest.approx((0.25, 1.0))


def test_the_crop_repeats_the_border_outside_the_picture() -> None:
    image = np.full((100, 100, 3), 50, np.uint8)
    image[0] = 200
    crop = crop_face(image, FaceBox(20, -40, 60, 60, 1.0), size=78)
    assert crop.face_px == 78 and crop.upscaled
    assert (crop.face[:40] == 200).all() and (crop.face[60:] == 50).all()


def test_the_map_of_the_crop_leads_from_picture_to_crop() -> None:
    for turn in range(4):
        crop = crop_face(astronaut(), replace(ASTRONAUT_FACE, turn=turn))
        # The map counts from the corner of the first pixel, OpenCV from its centre.
        centred = crop.to_crop.copy()
        centred[:, 2] += crop.to_crop[:, :2].sum(axis=1) / 2 - 0.5
        mapped = cv2.warpAffine(astronaut(), centred, (256, 256), flags=cv2.INTER_LINEAR)
        middle = slice(32, 224)
        assert np.abs(mapped[middle, middle].astype(int) - crop.face[middle, middle]).mean() < 3


def test_upscaled_means_fewer_source_pixels_than_the_crop() -> None:
    assert crop_face(astronaut(), FaceBox(175, 70, 97, 125, 1.0)).upscaled
    assert not crop_face(astronaut(), FaceBox(100, 50, 250, 250, 1.0)).upscaled


def test_auto_takes_yunet_where_its_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWARENET_YUNET", str(yunet_file()))
    assert create_detector("auto").name == "yunet"
    monkeypatch.delenv("AWARENET_YUNET")
    monkeypatch.setenv("AWARENET_CACHE", str(tmp_path))
    assert create_detector("auto").name == "hog"
    (tmp_path / MODEL_FILE).write_bytes(yunet_file().read_bytes())
    assert create_detector("auto").name == "yunet"
    assert fetch_model() == tmp_path / MODEL_FILE  # There already: no network is touched.
    assert create_detector("hog").name == "hog"


def test_a_missing_or_altered_yunet_file_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWARENET_YUNET", raising=False)
    monkeypatch.setenv("AWARENET_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="fetch-face-model"):
        create_detector("yunet")
    altered = tmp_path / "altered.onnx"
    altered.write_bytes(b"no network")
    with pytest.raises(ModelError, match=rf"altered\.onnx has sha256 .*expected {MODEL_SHA256[:12]}"):
        create_detector("auto", yunet_model=altered)
    monkeypatch.setenv("AWARENET_YUNET", str(tmp_path / "absent.onnx"))
    with pytest.raises(ModelError, match=r"absent\.onnx is not a file"):
        create_detector("auto")
