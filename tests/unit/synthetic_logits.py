"""A seeded table of stage logits with known properties, for the tests of calibration, stacking and thresholds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from awarenet.stages import FEATURES


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
