"""Distillation: a student learns from what a trained teacher sees, and not from labels alone.

A binary label and a coarse mask say little about a picture. The teacher's feature map says something about every cell
of it (hints, Romero et al. 2015), and its softened probability how sure one can be (Hinton et al. 2015, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from awarenet.errors import ModelError
from training import networks
from training.networks.stage_network import StageNetwork


@dataclass(frozen=True)
class Recipe:
    """How much a teacher has to say.

    Attributes:
        hint: Weight of the distance from the teacher's features.
        soft: Share of the classification loss that is against the teacher's probability, in [0, 1]; the rest is
            against the label.
        temperature: What both logits are divided by first: the higher, the more it is their differences that count.
    """

    hint: float = 1.0
    soft: float = 0.7
    temperature: float = 4.0


class Distillation(nn.Module):
    """How far a student is from its teacher.

    Args:
        teacher: The teacher; it is not trained.
        student: The student.
        recipe: Weights and temperature.
    """

    def __init__(self, teacher: StageNetwork, student: StageNetwork, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        # In a tuple, so that neither parameters nor modes of the teacher belong to this module.
        self._teacher = (teacher.eval().requires_grad_(False),)
        self.project = nn.Conv2d(student.feature_channels, teacher.feature_channels, 1)

    def forward(self, faces: torch.Tensor, outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The weighted distances.

        Args:
            faces: uint8 `[N, S, S, 3]`.
            outputs: The student's outputs for them in training mode.

        Returns:
            `hint`, the mean squared error of projected features in the teacher's standard deviations, and `soft`, the
            cross-entropy of softened probabilities, by which the loss against labels has to be made up.
        """
        with torch.no_grad():
            taught = self._teacher[0].detailed(faces)
            wanted = taught["features"].float()
            # Every channel counts alike, however loud it is.
            deviation, mean = torch.std_mean(wanted, dim=(0, 2, 3), keepdim=True)
            wanted = (wanted - mean) / (deviation + 1e-3)
            # A teacher of several branches speaks with their mean.
            spoken = taught["logit"].float().mean(1, keepdim=True)
        # A student that looks at a smaller picture has a coarser grid.
        features = functional.interpolate(self.project(outputs["features"]).float(), wanted.shape[2:], mode="bilinear")
        logit = outputs["logit"].float()
        return {
            "hint": self.recipe.hint * functional.mse_loss(features, wanted),
            "soft": self.recipe.soft * soft_loss(logit, spoken.expand_as(logit), self.recipe.temperature),
        }


def soft_loss(logit: torch.Tensor, taught: torch.Tensor, temperature: float) -> torch.Tensor:
    """Cross-entropy of a student's softened probability against its teacher's, both `[N, K]`.

    Gradients shrink with the square of the temperature, which is made good (Hinton et al. 2015, section 2.1).
    """
    probability = (taught / temperature).sigmoid()
    return temperature**2 * functional.binary_cross_entropy_with_logits(logit / temperature, probability)


def load_teacher(stem: Path) -> StageNetwork:
    """Reads a saved stage to learn from.

    Raises:
        ModelError: It cannot be read.
    """
    teacher = networks.load(stem).network
    if not isinstance(teacher, StageNetwork):
        raise ModelError(f"distillation: {stem} is no stage of ours; train one with `python -m training train`")
    return teacher
