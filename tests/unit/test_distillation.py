"""Distillation: what a student is drawn to, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from awarenet.errors import ModelError
from training import networks
from training.distillation import Distillation, Recipe, load_teacher
from training.networks.stage_network import StageNetwork

SMALL = {"architecture": "mobilenetv4_conv_small_035", "pretrained": "never"}


@pytest.fixture(scope="module")
def teacher() -> StageNetwork:
    torch.manual_seed(0)
    return networks.create("fast_filter", **SMALL).eval()


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (4, 96, 96, 3), dtype=torch.uint8, generator=generator)


def test_a_student_comes_closer_to_the_teachers_features_and_probability(teacher, faces):
    torch.manual_seed(2)
    student = networks.create("efficientnet", **SMALL).train()
    distillation = Distillation(_Shifted(teacher, 3), student, Recipe(soft=1.0, temperature=2.0))
    wanted = teacher.detailed(faces)["logit"] + 3
    optimizer = torch.optim.Adam([*student.parameters(), *distillation.parameters()], lr=3e-3)
    hints, misses = [], []
    for _ in range(12):
        outputs = student(faces)
        parts = distillation(faces, outputs)
        optimizer.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        optimizer.step()
        hints.append(parts["hint"].item())
        misses.append((outputs["logit"] - wanted).abs().mean().item())
    assert hints[-1] < 0.8 * hints[0]
    assert misses[-1] < 0.8 * misses[0]


class _Shifted(StageNetwork):
    """A teacher that is surer of fakes by a number of logits."""

    def __init__(self, teacher: StageNetwork, by: float) -> None:
        super().__init__()
        self.teacher, self.by, self.feature_channels = teacher, by, teacher.feature_channels

    def detailed(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        everything = self.teacher.detailed(faces)
        return {**everything, "logit": everything["logit"] + self.by}


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_gradients_keep_their_size_at_any_temperature(teacher, faces, temperature):
    """It is the difference of the logits times the slope of the sigmoid where they are, over the number of faces."""
    outputs = teacher.detailed(faces)
    logit = (outputs["logit"].detach() - 0.1).requires_grad_()
    parts = Distillation(teacher, teacher, Recipe(soft=1.0, temperature=temperature))(
        faces, {**outputs, "logit": logit}
    )
    parts["soft"].backward()
    assert logit.grad is not None
    chance = ((logit.detach() + 0.05) / temperature).sigmoid()
    torch.testing.assert_close(logit.grad, -0.1 * chance * (1 - chance) / len(faces), rtol=0.01, atol=1e-5)


def test_the_teacher_is_neither_trained_nor_kept(teacher, faces):
    distillation = Distillation(teacher, teacher, Recipe())
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    distillation.train()
    distillation(faces, teacher.detailed(faces))["hint"].backward()
    assert not teacher.training
    assert {name for name, _ in distillation.named_parameters()} == {"project.weight", "project.bias"}
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in teacher.state_dict().items())


def test_every_stage_can_be_a_student(teacher, faces):
    faces = torch.nn.functional.pad(faces, (0, 0, 0, 32, 0, 32))
    student = networks.create("genconvit", pretrained="never", resolution=192).train()  # a coarser grid
    outputs = student(faces)
    assert outputs["features"].shape[1] == student.feature_channels
    assert all(torch.isfinite(part) for part in Distillation(teacher, student, Recipe())(faces, outputs).values())


def test_a_missing_teacher_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match="nobody"):
        load_teacher(tmp_path / "nobody")
