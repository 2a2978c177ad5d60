"""Hints: a student learns to predict a trained teacher's features before it has found its own (Romero et al. 2015).

A binary label and a coarse mask say little about a picture; the teacher's feature map says something about every cell
of it. A student that starts from scratch therefore finds the traces of forgeries in a fraction of the pairs.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from awarenet.errors import ModelError
from training import networks
from training.networks.stage_network import StageNetwork


class Hints(nn.Module):
    """How far a student's features are from a teacher's, through a learned projection.

    Args:
        teacher: The teacher; it is not trained.
        student: The student; both must have features of the same stride.
    """

    def __init__(self, teacher: StageNetwork, student: StageNetwork) -> None:
        super().__init__()
        # In a tuple, so that neither parameters nor modes of the teacher belong to this module.
        self._teacher = (teacher.eval().requires_grad_(False),)
        channels = [network.feature_channels for network in (student, teacher)]
        self.project = nn.Conv2d(channels[0], channels[1], 1)

    def forward(self, faces: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """The mean squared error, in the teacher's standard deviations.

        Args:
            faces: uint8 `[N, S, S, 3]`.
            features: The student's features of them, `[N, C, S / 16, S / 16]`.
        """
        with torch.no_grad():
            wanted = self._teacher[0].features(faces).float()
            # Every channel counts alike, however loud it is.
            deviation, mean = torch.std_mean(wanted, dim=(0, 2, 3), keepdim=True)
            wanted = (wanted - mean) / (deviation + 1e-3)
        return functional.mse_loss(self.project(features).float(), wanted)


def load_teacher(stem: Path) -> StageNetwork:
    """Reads a saved stage to learn from.

    Raises:
        ModelError: It cannot be read.
    """
    teacher = networks.load(stem).network
    if not isinstance(teacher, StageNetwork):
        raise ModelError(f"hints: {stem} is no stage of ours; train one with `python -m training train`")
    return teacher
