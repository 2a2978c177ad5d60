"""The average of a stage's weights before and after it was trained on.

What a network learns of new degradations it pays for with some of what it knew. Between the two weights of one chain of
runs lies a network that keeps most of both, at the cost of one (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
models").
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file

from awarenet.errors import InvalidInput, ModelError
from awarenet.policy import file_sha256
from training import networks
from training.crops import CropCache
from training.trainer import note_beside, score_cache, summarise, validate

log = logging.getLogger(__name__)

DRAWS = 4
"""Forgeries a face in the validation."""


def average(
    earlier: Path, later: Path, run: Path, crops: Path, *, share: float, development: Path | None = None
) -> dict[str, Any]:
    """Averages two saved stages of the same network and measures the result.

    Args:
        earlier: The stage before, a path without suffix.
        later: The stage that was trained on from there.
        run: Folder of `<stage>.safetensors` and `<stage>.json`.
        crops: Crop cache, for the validation.
        share: Of the later weights, in [0, 1].
        development: Crop cache that is reported on.

    Returns:
        The figures, as written under `metrics`.

    Raises:
        InvalidInput: The share is not in [0, 1].
        ModelError: A stage is missing, or they are not of the same network.
    """
    if not 0 <= share <= 1:
        raise InvalidInput(f"share: expected a number from 0 to 1, got {share}")
    notes = [_note(stem) for stem in (earlier, later)]
    if notes[0]["stage"] != notes[1]["stage"] or notes[0]["network"] != notes[1]["network"]:
        raise ModelError(f"averaging: {earlier} and {later} are not the same network; give two runs of one stage")
    before, after = (load_file(stem.with_suffix(".safetensors")) for stem in (earlier, later))
    mixed = {name: blend(before[name], tensor, share) for name, tensor in after.items()}
    network = networks.create(notes[1]["stage"], **{**notes[1]["network"], "pretrained": "never"})
    network.load_state_dict(mixed)
    network.eval()
    fabric = Fabric()
    cache = CropCache.open(crops)
    figures: dict[str, Any] = {"validation": summarise(network, validate(network, fabric, cache, draws=DRAWS))}
    if development is not None:
        figures["development"] = summarise(network, score_cache(network, fabric, CropCache.open(development)))
    earned = {name: value for name, value in notes[1].get("metrics", {}).items() if name in ("pairs", "seconds")}
    note = {
        **notes[1],
        "temperature": None,
        "averaged": {
            "earlier": file_sha256(earlier.with_suffix(".safetensors")),
            "later": file_sha256(later.with_suffix(".safetensors")),
            "share": share,
        },
        "metrics": earned | figures,
    }
    networks.save(network, run / notes[1]["stage"], note)
    return figures


def blend(before: torch.Tensor, after: torch.Tensor, share: float) -> torch.Tensor:
    """A weight between two of the same shape; counters, which are whole numbers, are the later one's.

    Raises:
        ModelError: The shapes differ.
    """
    if before.shape != after.shape:
        raise ModelError(f"averaging: shapes {tuple(before.shape)} and {tuple(after.shape)} differ; give one network")
    return torch.lerp(before.float(), after.float(), share) if after.is_floating_point() else after


def command(
    earlier: Path, later: Path, run: Path, crops: Path, share: float = 0.5, development: Path | None = None
) -> None:
    """Averages the weights of a stage before and after it was trained on.

    Args:
        earlier: The stage before, without suffix, e.g. `training/weights/efficientnet`.
        later: The stage that was trained on from there.
        run: Folder of the averaged stage.
        crops: Crop cache of real faces, for the validation.
        share: Of the later weights.
        development: Crop cache to report on, never selected on.
    """
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("training").setLevel(logging.INFO)
    figures = average(earlier, later, run, crops, share=share, development=development)
    log.info("%s", json.dumps(figures, indent=2))


def _note(stem: Path) -> dict[str, Any]:
    note = note_beside(stem.with_suffix(".safetensors"))
    if not note or not stem.with_suffix(".safetensors").is_file():
        raise ModelError(f"averaging: {stem} has no weights or no note; train it with `python -m training train`")
    return note
