"""Attacks on a stage: they stay within their bound, and mislead who has no defence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.adversarial import attack, logits
from tests.samples import face
from training import networks

FACES = np.stack([np.roll(face(), 8 * number, axis=1) for number in range(4)])
LABELS = np.array([0, 1, 0, 1])


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return networks.create("fast_filter", architecture="mobilenetv4_conv_small_035", pretrained="never").eval()


@pytest.mark.parametrize("method", ["FGSM", "PGD"])
def test_an_attack_stays_within_its_bound_and_moves_every_score_against_the_label(network, method) -> None:
    altered = attack(network, FACES, LABELS, method, levels=4)
    assert altered.dtype == np.uint8 and altered.shape == FACES.shape
    assert 0 < np.abs(altered.astype(int) - FACES).max() <= 4
    moved = logits(network, altered) - logits(network, FACES)
    assert ((moved > 0) == (LABELS == 0)).all()


def test_more_levels_mislead_more(network) -> None:
    moved = [
        np.abs(logits(network, attack(network, FACES, LABELS, "PGD", levels)) - logits(network, FACES)).mean()
        for levels in (1, 8)
    ]
    assert moved[0] < moved[1]
