"""BlazeFace in the browser against YuNet on real pictures: the same faces, the same geometry."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from awarenet.face_engines.yunet import YuNetDetector
from awarenet.faces import FaceBox, overlap
from awarenet.media import read_picture
from tests.browser.test_mobile import address, app, judge
from tests.gateway import ROOT

pytestmark = pytest.mark.browser

__all__ = ["address", "app"]

SHARED = Path(os.environ.get("AWARENET_SHARED") or ROOT.parent / "shared") / "data"
PICTURES = 24


@pytest.fixture(scope="module")
def pictures() -> Iterator[list[Path]]:
    files = sorted(path for path in (SHARED / "full_frames").rglob("*") if path.suffix.lower() in {".jpg", ".png"})
    model = SHARED / "weights/yunet/yunet_n_640_640.onnx"
    if not files or not model.is_file():
        pytest.skip(f"no pictures or no YuNet in {SHARED}; set AWARENET_SHARED")
    yield files[:: max(1, len(files) // PICTURES)]


def test_boxes_are_yunets(app: Page, pictures: list[Path]) -> None:
    yunet = YuNetDetector(SHARED / "weights/yunet/yunet_n_640_640.onnx")
    found, rows = 0, []
    for picture in pictures:
        judge(app, picture)
        expect(app.locator("article .file")).to_have_text(picture.name)
        with app.expect_download() as download:
            app.get_by_role("button", name="Download JSON").click()
        faces = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))["faces"]
        expected = yunet.detect(read_picture(picture).image, thorough=False)
        found += bool(faces) == bool(expected)
        if faces and expected:
            box, true = FaceBox(*faces[0]["box"], 1.0), expected[0]
            centre = box.y + box.height / 2 - true.y - true.height / 2
            rows.append((overlap(box, true)[0], centre / true.side, box.width / true.width, box.side / true.side))
    iou, shift, width, side = np.median(rows, axis=0)
    geometry = f"IoU {iou:.3f}, shift of the centre {shift:+.3f}, width {width:.3f}, side {side:.3f}"
    sys.stdout.write(f"{len(rows)} pictures, medians: {geometry}\n")  # Seen with `pytest -s`.
    assert found == len(pictures)
    assert iou > 0.8 and abs(shift) < 0.04 and abs(width - 1) < 0.05 and abs(side - 1) < 0.05
