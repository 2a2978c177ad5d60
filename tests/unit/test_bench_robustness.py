"""The robustness benchmark: its alterations and its figures. Nothing is timed here."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.clean_pairs import CleanPairs
from benchmarks.robustness import alterations, figures
from tests.samples import face

FACE = face()


@pytest.mark.parametrize("name", list(alterations()))
def test_each_alteration_changes_a_face_and_keeps_its_form(name: str) -> None:
    before = FACE.copy()
    altered = alterations()[name](FACE)
    assert altered.shape == FACE.shape and altered.dtype == np.uint8
    np.testing.assert_array_equal(FACE, before)
    assert np.array_equal(altered, FACE) == (name == "none")


def test_stronger_compression_loses_more() -> None:
    made = alterations()
    for names in (["JPEG quality 90", "JPEG quality 20"], ["H.264 rate factor 23", "H.264 rate factor 40"]):
        weak, strong = (np.abs(made[name](FACE).astype(int) - FACE).mean() for name in names)
        assert weak < strong < 30


def test_moved_scores_and_lost_rankings_are_told_apart() -> None:
    label, group = np.repeat([0, 1], 20), np.tile(np.arange(20), 2)
    pairs = CleanPairs(np.zeros((40, 1, 1, 3), np.uint8), label, group)
    apart = np.where(label == 1, 0.9, 0.7).astype(np.float32)
    moved = figures(pairs, apart, apart, 0.5)
    assert moved["auc"] == 1 and moved["false_positive_rate"] == 1 and moved["true_positive_rate"] == 1
    level = np.full(40, 0.4, np.float32)
    lost = figures(pairs, level, level, 0.5)
    assert lost["auc"] == 0.5 and lost["false_positive_rate"] == lost["true_positive_rate"] == 0
