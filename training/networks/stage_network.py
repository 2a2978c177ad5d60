"""What every stage's network has in common."""

from __future__ import annotations

import torch
from torch import nn


class StageNetwork(nn.Module):
    """A network that takes face crops as serving sends them.

    `forward` maps uint8 `[N, S, S, 3]`, RGB, to a dictionary. In evaluation mode it holds the stage's outputs alone
    (`awarenet.stages`), float32; in training mode also `mask` `[N, 2, S / 16, S / 16]` (logits of blend mask and seam)
    and losses of its own, named `loss_...`.

    Attributes:
        logits: Name of every column of the output `logit`; a positive logit means fake.
    """

    logits: tuple[str, ...] = ("logit",)

    def forward(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """Scores faces."""
        raise NotImplementedError
