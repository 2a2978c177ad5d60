"""Hints from a teacher: what they measure, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from awarenet.errors import ModelError
from training import networks
from training.hints import Hints, load_teacher
from training.networks.stage_network import StageNetwork

SMALL = {"architecture": "mobilenetv4_conv_small_035", "pretrained": "never"}


@pytest.fixture(scope="module")
def teacher() -> StageNetwork:
    torch.manual_seed(0)
    return networks.create("fast_filter", **SMALL)


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (4, 96, 96, 3), dtype=torch.uint8, generator=generator)


def test_a_student_that_follows_the_hints_comes_closer_to_the_teacher(teacher, faces):
    torch.manual_seed(2)
    student = networks.create("efficientnet", **SMALL).train()
    hints = Hints(teacher, student)
    optimizer = torch.optim.Adam([*student.parameters(), *hints.parameters()], lr=3e-3)
    distances = []
    for _ in range(8):
        distance = hints(faces, student(faces)["features"])
        optimizer.zero_grad()
        distance.backward()
        optimizer.step()
        distances.append(distance.item())
    assert distances[-1] < 0.8 * distances[0]


def test_the_teacher_is_neither_trained_nor_kept(teacher, faces):
    hints = Hints(teacher, teacher)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    hints.train()
    hints(faces, teacher.features(faces)).backward()
    assert not teacher.training
    assert {name for name, _ in hints.named_parameters()} == {"project.weight", "project.bias"}
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in teacher.state_dict().items())


def test_every_stage_can_be_a_student(teacher, faces):
    faces = torch.nn.functional.pad(faces, (0, 0, 0, 32, 0, 32))
    student = networks.create("genconvit", pretrained="never").train()
    features = student(faces)["features"]
    assert features.shape[1] == student.feature_channels
    assert torch.isfinite(Hints(teacher, student)(faces, features))


def test_a_missing_teacher_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match="nobody"):
        load_teacher(tmp_path / "nobody")
