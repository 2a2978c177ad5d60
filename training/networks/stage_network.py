"""What every stage's network has in common."""

from __future__ import annotations

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
