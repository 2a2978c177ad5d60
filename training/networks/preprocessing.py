"""Resize and normalisation inside the network, so that training, Triton, mobile and edge cannot differ."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from awarenet.stages import FACE_SIZE


class Preprocessing(nn.Module):
    """Bytes to normalised floats: uint8 `[N, S, S, 3]`, RGB, to float32 `[N, 3, T, T]`, normalised.

    Args:
        resolution: What a whole face (256 pixels) becomes; windows of a face shrink in the same proportion.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, resolution: int = FACE_SIZE) -> None:
        super().__init__()
        self.ratio = resolution / FACE_SIZE
        # ImageNet's statistics: what pretrained weights expect, and close to any photograph's.
        self.register_buffer("mean", torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", 1 / torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1), persistent=False)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Normalises a batch."""
        # A view: the bytes' order is already torch's channels-last layout.
        pictures = faces.permute(0, 3, 1, 2).float()
        if self.ratio != 1:
            side = round(faces.shape[1] * self.ratio)
            pictures = functional.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False)
        return (pictures - self.mean) * self.scale
