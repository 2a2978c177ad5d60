"""The networks of the three neural stages: made by name, saved as weights beside a note, loaded ready for export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from awarenet.errors import ModelError
from awarenet.policy import file_sha256
from awarenet.stages import EFFICIENTNET, FAST_FILTER, GENCONVIT
from training.networks.stage_network import StageNetwork

__all__ = ["create", "halve", "load", "save"]

DEFAULTS: dict[str, dict[str, Any]] = {
    FAST_FILTER.name: {"architecture": "mobilenetv4_conv_small"},
    EFFICIENTNET.name: {"architecture": "tf_efficientnetv2_b3"},
    GENCONVIT.name: {},
}


def create(stage: str, **config: Any) -> StageNetwork:
    """Makes the network of a stage.

    Args:
        stage: `fast_filter`, `efficientnet` or `genconvit`.
        config: What differs from the stage's defaults; see `training.networks.classifier.Classifier` and
            `training.networks.genconvit.GenConViT`.

    Raises:
        ModelError: There is no such stage, or its configuration is wrong.
    """
    if stage not in DEFAULTS:
        raise ModelError(f"networks: no stage {stage!r}; choose from {', '.join(DEFAULTS)}")
    from training.networks.classifier import Classifier
    from training.networks.genconvit import GenConViT

    kind = GenConViT if stage == GENCONVIT.name else Classifier
    try:
        network: StageNetwork = kind(**{**DEFAULTS[stage], **config})
    except (TypeError, RuntimeError) as error:
        raise ModelError(f"networks: {stage} cannot be made from {config}: {error}") from error
    return network


def save(network: nn.Module, stem: Path, note: dict[str, Any]) -> None:
    """Writes `<stem>.safetensors` (fp32) and `<stem>.json`.

    Args:
        network: The network; its weights are stored, not its code.
        stem: Path without suffix; its name is the stage's.
        note: What `load` needs (`stage`, `network`) and what people want to know (seed, data, metrics, temperature).
    """
    # Cloned: steps of rounding may share a range, and safetensors takes no shared memory.
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    _write(weights, stem, note)


def halve(stem: Path, out: Path) -> Path:
    """Copies a saved stage with its kernels in fp16, the form in which weights are kept in the repository.

    Norms, biases and running statistics stay in fp32: they are small, and their range is wide.

    Args:
        stem: Path of the stage without suffix.
        out: Folder of the copy; its note says the sha256 of the file that it was made from.

    Returns:
        The copy's path without suffix.

    Raises:
        ModelError: The stage is missing.
    """
    weights, note = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    if not (weights.is_file() and note.is_file()):
        raise ModelError(f"networks: {stem} has no weights or no note; train it with `python -m training train`")
    halved = {
        name: tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor
        for name, tensor in load_file(weights).items()
    }
    _write(halved, out / stem.name, {**json.loads(note.read_text()), "halved_from": file_sha256(weights)})
    return out / stem.name


def load(stem: Path) -> nn.Module:
    """Reads a saved stage in evaluation mode, its temperature folded into `logit`.

    Args:
        stem: Path without suffix.

    Raises:
        ModelError: A file is missing, or weights and note do not fit together.
    """
    try:
        note = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        network = create(note["stage"], **{**note["network"], "pretrained": "never"})
        network.load_state_dict(load_file(stem.with_suffix(".safetensors")))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"networks: cannot load {stem} ({error}); train it with `python -m training train`") from error
    return Calibrated(network, note.get("temperature") or [1.0]).eval()


def _write(weights: dict[str, torch.Tensor], stem: Path, note: dict[str, Any]) -> None:
    """Writes weights, then their note; a kill leaves each file whole, the old one or the new."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    draft = stem.with_suffix(".draft")
    save_file(weights, draft)
    draft.chmod(0o644)  # safetensors makes files that only their owner reads
    draft.replace(stem.with_suffix(".safetensors"))
    draft.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    draft.replace(stem.with_suffix(".json"))


class Calibrated(nn.Module):
    """A network whose logits are divided by their temperatures (Guo et al. 2017, section 4.2)."""

    inverse: torch.Tensor

    def __init__(self, network: nn.Module, temperature: list[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("inverse", 1 / torch.tensor([temperature], dtype=torch.float32), persistent=False)

    def forward(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """Outputs of the network with calibrated `logit`."""
        outputs: dict[str, torch.Tensor] = dict(self.network(faces))
        outputs["logit"] = outputs["logit"] * self.inverse
        return outputs
