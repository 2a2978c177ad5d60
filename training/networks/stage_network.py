"""What every stage's network has in common."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class StageNetwork(nn.Module):
    """A network that takes face crops as serving sends them, uint8 `[N, S, S, 3]`, RGB.

    Attributes:
        outputs: The stage's outputs (`awarenet.stages`), which are all that `forward` gives in evaluation mode.
        logits: Name of every column of the output `logit`; a positive logit means fake.
        feature_channels: Channels of `features`.
    """

    outputs: tuple[str, ...] = ("logit",)
    logits: tuple[str, ...] = ("logit",)
    feature_channels: int

    def forward(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """Scores faces: `outputs` alone, float32, in evaluation mode, all of `detailed` in training mode."""
        everything = self.detailed(faces)
        return everything if self.training else {name: everything[name] for name in self.outputs}

    def detailed(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """What there is to train by.

        Returns:
            `outputs`; `mask` `[N, 2, S / 16, S / 16]` (logits of blend mask and seam); `features`
            `[N, feature_channels, S / 16, S / 16]`, which the mask is read from; and losses of the network's own,
            named `loss_...`.
        """
        raise NotImplementedError


class InOrder(nn.Module):
    """A network with its outputs as a tuple, in evaluation mode: what is captured as a graph has no names to give.

    Args:
        network: The network; uint8 faces to a mapping of output name to tensor.
        outputs: Names of its outputs, in the order in which they are given.
    """

    def __init__(self, network: nn.Module, outputs: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.outputs = tuple(outputs)
        self.eval()

    def forward(self, faces: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs for faces, uint8 `[N, S, S, 3]`."""
        found = self.network(faces)
        return tuple(found[name] for name in self.outputs)
