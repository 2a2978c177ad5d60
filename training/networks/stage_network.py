"""What every stage's network has in common."""

from __future__ import annotations

import torch
from torch import nn


class StageNetwork(nn.Module):
    """A network that takes face crops as serving sends them.

    `forward` maps uint8 `[N, S, S, 3]`, RGB, to a dictionary. In evaluation mode it holds the stage's outputs alone
    (`awarenet.stages`), float32; in training mode also `mask` `[N, 2, S / 16, S / 16]` (logits of blend mask and seam),
    the `features` that the mask is read from, and losses of its own, named `loss_...`.

    Attributes:
        logits: Name of every column of the output `logit`; a positive logit means fake.
        feature_channels: Channels of `features`.
    """

    logits: tuple[str, ...] = ("logit",)
    feature_channels: int

    def forward(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """Scores faces."""
        raise NotImplementedError

    def features(self, faces: torch.Tensor) -> torch.Tensor:
        """What the mask is read from, `[N, C, S / 16, S / 16]`."""
        raise NotImplementedError
