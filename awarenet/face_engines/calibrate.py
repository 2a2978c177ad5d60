"""Measures the map from dlib's squares to YuNet's boxes: `python -m awarenet.face_engines.calibrate FOLDER`.

Prints the constants of `awarenet.face_engines.hog`, how well the mapped boxes agree with YuNet's, and how each engine's
confidence falls when the picture lies on its side.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awarenet.errors import MediaError
from awarenet.face_engines import hog
from awarenet.face_engines.yunet import YuNetDetector
from awarenet.faces import FaceBox, FaceDetector, overlap
from awarenet.media import read_picture


def ratios(square: FaceBox, box: FaceBox) -> tuple[float, float, float, float]:
    """Shift of the centre, width and height of YuNet's box in units of dlib's side, from dlib's already mapped box."""
    side = square.width / hog.WIDTH
    centre_x = square.x + square.width / 2 - hog.SHIFT_X * side
    centre_y = square.y + square.height / 2 - hog.SHIFT_Y * side
    return (
        (box.x + box.width / 2 - centre_x) / side,
        (box.y + box.height / 2 - centre_y) / side,
        box.width / side,
        box.height / side,
    )


def report(folder: Path, step: int) -> str:
    """The measurement on every `step`-th picture under a folder, as text."""
    engines: tuple[FaceDetector, FaceDetector] = (YuNetDetector(), hog.HogDetector())
    rows, agreement = [], []
    found = {engine.name: 0 for engine in engines}
    scores: dict[str, list[list[float]]] = {engine.name: [] for engine in engines}
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".png"})[::step]
    pictures = 0
    for path in files:
        try:
            image = read_picture(path).image
        except MediaError:
            continue
        pictures += 1
        boxes = [engine.detect(image, thorough=False) for engine in engines]
        for engine, mine in zip(engines, boxes, strict=True):
            found[engine.name] += bool(mine)
            scores[engine.name].append([_best(engine, image, turn) for turn in range(4)])
        if all(len(mine) == 1 for mine in boxes):
            rows.append(ratios(boxes[1][0], boxes[0][0]))
            agreement.append(overlap(boxes[0][0], boxes[1][0])[0])
    lines = [f"pictures {pictures}; found: " + ", ".join(f"{name} {count}" for name, count in found.items())]
    table = np.array(rows).reshape(-1, 4)
    for name, column in zip(("SHIFT_X", "SHIFT_Y", "WIDTH", "HEIGHT"), table.T, strict=True):
        lines.append(f"{name:8} median {_at(column, 50)}  10 % {_at(column, 10)}  90 % {_at(column, 90)}")
    iou = np.array(agreement)
    lines.append(f"IoU of the mapped boxes: median {_at(iou, 50)}, 5 % {_at(iou, 5)} (n = {len(iou)})")
    for name, values in scores.items():
        medians = ", ".join(f"{90 * turn} deg {_at(column, 50)}" for turn, column in enumerate(np.array(values).T))
        right = float((np.array(values).argmax(axis=1) == 0).mean()) if values else float("nan")
        lines.append(f"{name} best score, median: {medians}; upright wins in {right:.3f}")
    return "\n".join(lines)


def _best(engine: FaceDetector, image: NDArray[np.uint8], turn: int) -> float:
    boxes = engine.detect(np.ascontiguousarray(np.rot90(image, turn)), thorough=False)
    return max((box.score for box in boxes), default=0.0)


def _at(column: NDArray[np.float64], percent: float) -> str:
    return f"{np.percentile(column, percent):.3f}" if len(column) else "-"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--step", type=int, default=1, help="take every n-th picture")
    arguments = parser.parse_args()
    sys.stdout.write(report(arguments.folder, arguments.step) + "\n")
