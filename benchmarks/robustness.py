"""`python -m benchmarks robustness`: what happens to scores when pictures are darker, tinted, compressed or smaller.

Clean pairs of a real face and a forgery of it, of people on whom no stage was trained, go through one alteration at a
time. Two things can go wrong, and they are told apart: the ranking (AUC) is lost with the traces of the forgery, or
every score moves, so that real faces are called fake at a threshold that was chosen on other pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from awarenet.evaluation.metrics import auc, bootstrap_interval
from awarenet.runtime import Runtime
from awarenet.runtime.choice import open_runtime
from awarenet.stages import FEATURES
from benchmarks import machine
from benchmarks.clean_pairs import CleanPairs
from training.forgeries.blending import compress
from training.forgeries.video_codec import h264

SEED: Final = 17

Image = NDArray[np.uint8]
Alteration = Callable[[Image], Image]
Say = Callable[[str], None]


def alterations() -> dict[str, Alteration]:
    """What is done to the faces, by name; each takes and gives a square picture, uint8 `[S, S, 3]`, RGB."""
    found: dict[str, Alteration] = {"none": lambda face: face}
    for quality in (90, 70, 50, 30, 20):
        found[f"JPEG quality {quality}"] = partial(compress, quality=quality)
    for rate in (23, 32, 40):
        found[f"H.264 rate factor {rate}"] = partial(h264, rate_factor=rate)
    for side in (192, 128, 96, 64):
        found[f"face crop of {side} px"] = _small(side)
    for sigma in (1.0, 2.0):
        found[f"blur of {sigma:g} px"] = _blur(sigma)
    for deviation in (5.0, 15.0):
        found[f"noise of {deviation:g} levels"] = _noise(deviation)
    for stops in (-1.0, -0.5, 0.5):
        found[f"exposure {stops:+g} stops"] = _gains(2.0**stops)
    found["warm light"] = _gains(1.1, 1.0, 0.85)
    found["cool light"] = _gains(0.85, 1.0, 1.1)
    found["contrast 0.7"] = lambda face: _levels((face.astype(np.float32) - 128) * 0.7 + 128)
    found["grey"] = _grey
    return found


def _grey(face: Image) -> Image:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def _levels(values: NDArray[Any]) -> Image:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


def _small(side: int) -> Alteration:
    def alter(face: Image) -> Image:
        small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, face.shape[:2], interpolation=cv2.INTER_LINEAR), np.uint8)

    return alter


def _blur(sigma: float) -> Alteration:
    return lambda face: np.asarray(cv2.GaussianBlur(face, (0, 0), sigma), np.uint8)


def _noise(deviation: float) -> Alteration:
    return lambda face: _levels(face + np.random.default_rng(SEED).standard_normal(face.shape) * deviation)


def _gains(*gains: float) -> Alteration:
    return lambda face: _levels(face * np.array(gains, np.float32))


def measure(
    crops: Path, repository: Path, *, faces: int, server: str | None, in_process: bool, say: Say
) -> dict[str, Any]:
    """Scores the pairs under each alteration.

    Args:
        crops: Crop cache of real faces.
        repository: The models, where they run in this process.
        faces: Pairs.
        server: URL of a server, or None.
        in_process: Whether the models must run here.
        say: Told how far it is.

    Returns:
        The content of `robustness.json`.

    Raises:
        DataError: The crop cache holds no people for validation.
    """
    pairs = CleanPairs.of(crops, faces, SEED)
    results: dict[str, Any] = {}
    with closing(open_runtime(server, in_process, repository)) as runtime:
        policy = runtime.policy
        for name, alter in alterations().items():
            say(name)
            altered = np.stack([alter(face) for face in pairs.faces])
            results[name] = figures(pairs, *score(runtime, altered), policy.decide_at)
    return {
        "alterations": results,
        "pairs": len(pairs.faces) // 2,
        "people": len(set(pairs.groups)),
        "decide_at": policy.decide_at,
        "seed": SEED,
        "machine": machine.describe(),
        "model_version": policy.model_version,
        "policy_version": policy.version,
    }


def score(runtime: Runtime, faces: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """P(fake) of the cascade and logit of the fast filter, `[N]` each, of faces, uint8 `[N, 256, 256, 3]`."""
    decisions = [runtime.score(faces[at : at + 16]) for at in range(0, len(faces), 16)]
    evidence = np.concatenate([one.evidence for one in decisions])
    return np.concatenate([one.probability for one in decisions]), evidence[:, FEATURES.index("fast_filter_logit")]


def figures(
    pairs: CleanPairs, probability: NDArray[np.float32], logit: NDArray[np.float32], decide_at: float
) -> dict[str, Any]:
    """The figures of one alteration.

    Args:
        pairs: What was altered.
        probability: P(fake) of the cascade, `[N]`.
        logit: Of the fast filter, `[N]`.
        decide_at: Probability from which a face is called fake.
    """
    label = pairs.labels
    low, high = bootstrap_interval(auc, label, probability, pairs.groups)
    called = probability >= decide_at
    return {
        "auc": auc(label, probability),
        "auc_low": low,
        "auc_high": high,
        "fast_filter_auc": auc(label, logit),
        "false_positive_rate": float(called[label == 0].mean()),
        "true_positive_rate": float(called[label == 1].mean()),
        "mean_real_logit": float(logit[label == 0].mean()),
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Prints the result of a run."""
    table = Table(title="robustness", title_justify="left", header_style="bold")
    for name in ("alteration", "AUC", "95 % by person", "fast filter AUC", "reals called fake", "fakes called fake"):
        table.add_column(name)
    for name, one in result["alterations"].items():
        table.add_row(
            name,
            f"{one['auc']:.3f}",
            f"{one['auc_low']:.3f} to {one['auc_high']:.3f}",
            f"{one['fast_filter_auc']:.3f}",
            f"{one['false_positive_rate']:.0%}",
            f"{one['true_positive_rate']:.0%}",
        )
    console.print(table)
    console.print(
        f"{result['pairs']} real faces and as many forgeries of {result['people']} people; called fake from "
        f"{result['decide_at']:.3f}; models {result['model_version']}",
        style="dim",
    )
