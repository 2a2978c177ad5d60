"""`fast_filter` and `efficientnet`: a timm backbone, a blend-mask head on its stride-16 features, one logit."""

from __future__ import annotations

import logging
import socket
from typing import Any

import torch
from torch import nn

from awarenet.stages import FACE_SIZE
from training import compat  # noqa: F401  (before timm)
from training.networks import imagenet
from training.networks.preprocessing import Preprocessing
from training.networks.stage_network import StageNetwork

import timm  # isort: skip

log = logging.getLogger(__name__)

HUB = "huggingface.co"
"""Where timm's pretrained weights come from."""

MASK_STRIDE = 16


class MaskHead(nn.Module):
    """Where a face was replaced, and where the seam runs, as logits on a coarse grid (Face X-ray, Li et al. 2020).

    Its strongest and mean evidence are handed to the classifier as well: densely supervised, it learns first.
    """

    EVIDENCE = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, 2, 1)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps features `[N, C, H, W]` to mask logits `[N, 2, H, W]` and evidence `[N, 4]` (maxima, means)."""
        logits = self.project(features)
        return logits, torch.cat([logits.amax((2, 3)), logits.mean((2, 3))], dim=1)


def backbone(architecture: str, *, pretrained: str = "auto", **options: Any) -> nn.Module:
    """A timm network without its classifier.

    Args:
        architecture: timm's name.
        pretrained: "auto" takes pretrained weights where they can be had, "never" starts from scratch.
        options: Passed to timm.
    """
    if pretrained == "auto" and architecture in imagenet.PACKAGED:
        model: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=0, **options)
        normal = Preprocessing()
        imagenet.load_packaged(model, architecture, mean=normal.mean, scale=normal.scale)
        log.warning("%s: starting from packaged pretrained weights", architecture)
        return model
    if pretrained == "auto":
        try:
            # The hub client would retry for most of a minute before it gives up.
            socket.create_connection((HUB, 443), timeout=3).close()
            model = timm.create_model(architecture, pretrained=True, num_classes=0, **options)
        except Exception as error:  # timm and its hub raise a dozen kinds; all mean "not to be had here"
            log.warning("%s: no pretrained weights (%s); training from scratch", architecture, type(error).__name__)
        else:
            log.warning("%s: starting from pretrained weights", architecture)
            return model
    scratch: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=0, **options)
    return scratch


class Classifier(StageNetwork):
    """One backbone, one logit.

    Args:
        architecture: Any timm network with `forward_intermediates`.
        resolution: Side in pixels to which a face is resized inside the network.
        pretrained: As in `backbone`.
        drop: Dropout before the last layer.
        options: Passed to timm.
    """

    backbone: Any

    def __init__(
        self,
        architecture: str,
        *,
        resolution: int = FACE_SIZE,
        pretrained: str = "auto",
        drop: float = 0.2,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.preprocessing = Preprocessing(resolution)
        self.backbone = backbone(architecture, pretrained=pretrained, **(options or {}))
        info = [stage["reduction"] for stage in self.backbone.feature_info]
        self.level = max(index for index, reduction in enumerate(info) if reduction == MASK_STRIDE)
        with torch.no_grad():
            features, middle = self.eval()._features(torch.zeros(1, FACE_SIZE, FACE_SIZE, 3, dtype=torch.uint8))
        self.feature_channels = middle.shape[1]
        self.mask_head = MaskHead(self.feature_channels)
        self.drop = nn.Dropout(drop)
        self.classify = nn.Linear(features.shape[1] + MaskHead.EVIDENCE, 1)
        self.train()

    def _features(self, faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        last, middle = self.backbone.forward_intermediates(self.preprocessing(faces), indices=[self.level])
        return self.backbone.forward_head(last), middle[0]

    def detailed(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logit `[N, 1]` (positive: fake), mask and features of faces, uint8 `[N, S, S, 3]`."""
        features, middle = self._features(faces)
        mask, evidence = self.mask_head(middle)
        logit = self.classify(torch.cat([self.drop(features), evidence], dim=1)).float()
        return {"logit": logit, "mask": mask, "features": middle}

    def heatmap(self, faces: torch.Tensor) -> torch.Tensor:
        """P(replaced) on a coarse grid, float32 `[N, S / 16, S / 16]`."""
        _, middle = self._features(faces)
        logits: torch.Tensor = self.mask_head(middle)[0]
        return logits[:, 0].float().sigmoid()
