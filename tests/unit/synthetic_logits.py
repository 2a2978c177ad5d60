"""Seeded stage logits with known properties and a small crop cache, for the tests of what follows training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from awarenet.stages import FEATURES
from training.crops import CACHE_SIZE, FACES_FILE, TABLE_FILE


def make_table(
    people: int = 120,
    faces: int = 8,
    *,
    separation: float = 2.0,
    temperature: float = 1.0,
    split: str = "calibration",
    seed: int = 0,
) -> pd.DataFrame:
    """Half reals, half fakes of each person; every logit is the log odds of its own noisy view, times `temperature`.

    A view is normal with unit variance around plus or minus `separation` / 2, so its log odds are
    `separation` times the view: calibrated at temperature 1.
    """
    rng = np.random.default_rng(seed)
    count = people * faces
    label = np.tile([0, 1], count // 2)
    group = np.repeat(np.arange(people), faces)
    columns: dict[str, object] = {}
    for name in FEATURES:
        view = (label - 0.5) * separation + rng.normal(size=count)
        columns[name] = (separation * view * temperature).astype(np.float32)
    columns["genconvit_residual"] = rng.normal(size=count).astype(np.float32)
    columns["sharpness"] = rng.uniform(2, 8, count).astype(np.float32)
    columns["compression"] = rng.uniform(0, 1, count).astype(np.float32)
    columns["face_px"] = rng.uniform(80, 500, count).astype(np.float32)
    return pd.DataFrame(
        {
            "path": [f"{number}.jpg" for number in range(count)],
            "label": label,
            "group": [f"person{number:03d}" for number in group],
            "split": split,
            "subset": "synthetic",
            "method": np.where(label == 1, "blend", "photo"),
            "kind": "blend",
            **columns,
        }
    )


def make_crops(folder: Path, people: int = 9) -> Path:
    """A crop cache of coloured squares with eyes: enough for the forgeries to be made."""
    rng = np.random.default_rng(0)
    faces = np.broadcast_to(rng.integers(60, 200, (people, 1, 1, 3), np.uint8), (people, CACHE_SIZE, CACHE_SIZE, 3))
    faces = np.ascontiguousarray(faces) + rng.integers(0, 20, (people, CACHE_SIZE, CACHE_SIZE, 3), np.uint8)
    folder.mkdir()
    np.save(folder / FACES_FILE, faces)
    points = np.array([[130, 140], [210, 140], [170, 190], [140, 230], [200, 230]], np.float32).ravel().tolist()
    splits = ["train", "calibration", "validation"]
    pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(people)],
            "subset": "squares",
            "method": "photo",
            "group": [f"person{i}" for i in range(people)],
            "label": 0,
            "split": [splits[i % 3] for i in range(people)],
            "face_px": 300.0,
            "landmarks": [points] * people,
        }
    ).to_parquet(folder / TABLE_FILE)
    return folder
