"""`python -m benchmarks heatmap`: whether the maps of `awarenet.heatmap` point at what was forged.

The pointing game (Zhang et al. 2016, section 5.2) on forgeries with a known mask, made of people on whom no stage was
trained: a map hits where its highest point lies in the forged region. Masks lie in the middle of the face, so chance is
told in three ways: a point anywhere in the crop, the middle of the crop, and the map held against the masks of other
faces. Only what is above the last is knowledge of this face.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from awarenet.errors import DataError
from awarenet.evaluation.metrics import auc, bootstrap_interval
from awarenet.heatmap import EXPECTED_FILE, LOGITS, Expected, explain, mean_drop, measure_drop
from awarenet.runtime.choice import open_runtime
from awarenet.stages import FEATURES
from benchmarks import machine

SEED: Final = 11
EXPECTED_SEED: Final = 5

_VISIBLE: Final = 0.4
"""Forgeries of which less shows through are left out: in part of them, by design, a quarter does."""

_FORGED: Final = 0.5
"""A pixel counts as forged where so much of the strongest replacement of its face is reached."""

_STEP: Final = 8
"""Pixels between the points at which a map is compared with a mask."""

Say = Callable[[str], None]


def measure(
    crops: Path, repository: Path, *, faces: int, server: str | None, in_process: bool, say: Say
) -> dict[str, Any]:
    """Plays the pointing game on the people of the validation split.

    Args:
        crops: Crop cache of real faces.
        repository: The models, where they run in this process.
        faces: Forgeries, each of another person as far as there are so many.
        server: URL of a server, or None.
        in_process: Whether the models must run here.
        say: Told how far it is.

    Returns:
        The content of `heatmap.json`.
    """
    from training.crops import CropCache

    cache = CropCache.open(crops)
    pairs = forgeries(cache, faces)
    with closing(open_runtime(server, in_process, repository)) as runtime:
        expected = Expected.load()
        maps: list[NDArray[np.float32]] = []
        logits: list[tuple[float, float]] = []
        for number, (row, pair) in enumerate(pairs):
            say(f"face {number + 1} of {len(pairs)}")
            side = float(cache.table["face_px"].iloc[row])
            heatmap = explain(runtime, pair.fake, side, expected=expected)
            real = runtime.score(pair.real[None], np.array([side], np.float32), route="full").evidence[0]
            maps.append(heatmap.values)
            logits.append((heatmap.logit, float(np.mean([real[FEATURES.index(name)] for name in LOGITS]))))
        corrected = expected.model_version == runtime.policy.model_version
        model_version = runtime.policy.model_version
    masks = np.stack([pair.mask >= _FORGED * pair.mask.max() for _, pair in pairs])
    groups = cache.table["group"].iloc[[row for row, _ in pairs]].to_numpy()
    fakes, reals = np.array(logits).T
    return {
        **figures(np.stack(maps), masks, groups),
        "auc_of_the_score": auc(np.repeat([1, 0], len(fakes)), np.concatenate([fakes, reals])),
        "faces": len(pairs),
        "people": len(set(groups)),
        "corrected": corrected,
        "expected_from_faces": expected.faces,
        "seed": SEED,
        "machine": machine.describe(),
        "model_version": model_version,
    }


def forgeries(cache: Any, count: int, *, split: str = "validation", seed: int = SEED) -> list[tuple[int, Any]]:
    """Held-out pairs of full difficulty whose forged region is a part of the face and not nearly invisible.

    Args:
        cache: The crop cache.
        count: Pairs, each of another person as far as there are so many, then with further forgeries of the same.
        split: Whose faces.
        seed: Of the forgeries.

    Returns:
        Row of the cache and pair.

    Raises:
        DataError: The cache holds no such people.
    """
    from training.loader import validation_pairs

    rows = cache.rows(split, 0)
    if not len(rows):
        raise DataError(f"heatmap: the crop cache has no real faces in its {split} split; give another one")
    chosen: list[tuple[int, Any]] = []
    for draw in range(count):
        for row, pair in validation_pairs(cache, rows, draws=1, seed=seed + draw):
            if pair.kind != "decoded" and pair.mask.max() > _VISIBLE:
                chosen.append((row, pair))
                if len(chosen) == count:
                    return chosen
    return chosen


def figures(maps: NDArray[np.float32], masks: NDArray[np.bool_], groups: NDArray[Any]) -> dict[str, Any]:
    """Hit rates and areas under the curve, each with its 95 % interval by person.

    Args:
        maps: Maps of forgeries, float32 `[N, H, W]`, N >= 2.
        masks: What was forged, bool `[N, H, W]`.
        groups: The person of each, `[N]`.
    """
    count = len(masks)
    others = ~np.eye(count, dtype=bool)
    hits = masks.reshape(count, -1)[:, maps.reshape(count, -1).argmax(axis=1)].T  # [map, mask]
    dots = [mask[::_STEP, ::_STEP].ravel().astype(int) for mask in masks]
    areas = np.array([[auc(mask, one[::_STEP, ::_STEP].ravel()) for mask in dots] for one in maps])
    result: dict[str, Any] = {}
    for what, table in (("hit", hits.astype(float)), ("pixel_auc", areas)):
        own, foreign = np.diag(table), (table * others).sum(axis=1) / (count - 1)
        result[what] = _with_interval(own, groups)
        result[f"{what}_other_masks"] = _with_interval(foreign, groups)
        result[f"{what}_above_other_masks"] = _with_interval(own - foreign, groups)
    middle = masks[:, masks.shape[1] // 2, masks.shape[2] // 2].astype(float)
    result["anywhere_hit"] = _with_interval(masks.mean(axis=(1, 2)), groups)
    result["middle_hit"] = _with_interval(middle, groups)
    return result


def _with_interval(values: NDArray[np.float64], groups: NDArray[Any]) -> dict[str, float]:
    """Mean over faces and its interval by the bootstrap over people."""
    nothing = np.zeros(len(values), int)
    low, high = bootstrap_interval(
        lambda _, value, weight: float(value @ weight / weight.sum()), nothing, values, groups
    )
    return {"mean": float(values.mean()), "low": low, "high": high}


def write_expected(
    crops: Path, repository: Path, out: Path, *, faces: int, server: str | None, in_process: bool, say: Say
) -> Expected:
    """Measures what real faces show: the real halves of pairs, degraded as pictures are, of the calibration people.

    Args:
        crops: Crop cache of real faces.
        repository: The models, where they run in this process.
        out: File to write; `awarenet.heatmap.EXPECTED_FILE` is read from then on.
        faces: Real faces to look at.
        server: URL of a server, or None.
        in_process: Whether the models must run here.
        say: Told how far it is.
    """
    from training.crops import CropCache

    cache = CropCache.open(crops)
    pairs = forgeries(cache, faces, split="calibration", seed=EXPECTED_SEED)
    drops = []
    with closing(open_runtime(server, in_process, repository)) as runtime:
        for number, (row, pair) in enumerate(pairs):
            say(f"real face {number + 1} of {len(pairs)}")
            drops.append(measure_drop(runtime, pair.real, float(cache.table["face_px"].iloc[row]))[0])
        expected = mean_drop(drops, runtime.policy.model_version)
    out.write_text(expected.to_json(), encoding="utf-8")
    return expected


_ROWS: Final = (
    ("highest point in the forged region", "hit"),
    ("  chance: the map against the masks of other faces", "hit_other_masks"),
    ("  above that chance", "hit_above_other_masks"),
    ("  chance: the middle of the crop", "middle_hit"),
    ("  chance: anywhere in the crop", "anywhere_hit"),
    ("AUC of forged against other pixels", "pixel_auc"),
    ("  the map against the masks of other faces", "pixel_auc_other_masks"),
    ("  above that", "pixel_auc_above_other_masks"),
)


def show(result: dict[str, Any], console: Console) -> None:
    """Prints the result of a run."""
    table = Table(title="pointing game", title_justify="left", header_style="bold")
    for name in ("figure", "mean", "95 % interval by person"):
        table.add_column(name)
    for words, key in _ROWS:
        entry = result[key]
        table.add_row(words, f"{entry['mean']:.2f}", f"{entry['low']:.2f} to {entry['high']:.2f}")
    console.print(table)
    correction = (
        f"corrected by {result['expected_from_faces']} real faces"
        if result["corrected"]
        else f"not corrected: {EXPECTED_FILE.name} was measured with other models (--write-expected)"
    )
    console.print(
        f"{result['faces']} forgeries of {result['people']} people; AUC of the score that is explained "
        f"{result['auc_of_the_score']:.2f}; {correction}; models {result['model_version']}",
        style="dim",
    )
