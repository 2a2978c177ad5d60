"""A crop cache of a few people, made from one real face in the public domain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.data import astronaut

from awarenet.faces import FaceBox, crop_face
from training.crops import CACHE_SCALE, CACHE_SIZE, FACES_FILE, TABLE_FILE, CropCache, split_groups

LANDMARKS = np.array([[203, 104], [248, 104], [224, 128], [204, 143], [243, 144]], np.float32)
BOX = FaceBox(178.0, 65.0, 91.0, 111.0, 0.94, LANDMARKS)
"""Where YuNet finds the face in `skimage.data.astronaut()`."""


def face() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The face as a cache holds it, and its landmarks in pixels of the cached square."""
    crop = crop_face(astronaut(), BOX, scale=CACHE_SCALE, size=CACHE_SIZE)
    return crop.face, LANDMARKS @ crop.to_crop[:, :2].T + crop.to_crop[:, 2]


def build(folder: Path, people: int = 16) -> CropCache:
    """Writes a cache of so many people: the one face in different colours, so that no two squares are equal."""
    square, points = face()
    gains = np.random.default_rng(0).uniform(0.75, 1.25, (people, 1, 1, 3))
    groups = [f"person{index}" for index in range(people)]
    split = split_groups(groups, seed=0)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / FACES_FILE, np.stack([np.clip(square * gain, 0, 255).astype(np.uint8) for gain in gains]))
    pd.DataFrame(
        {
            "path": [f"{group}.png" for group in groups],
            "label": np.zeros(people, np.int8),
            "subset": "tiny",
            "method": "photo",
            "group": groups,
            "split": [split[group] for group in groups],
            "face_px": float(CACHE_SIZE),
            "landmarks": [points.ravel().tolist()] * people,
        }
    ).to_parquet(folder / TABLE_FILE)
    return CropCache.open(folder)
