"""Heatmaps: what is altered, what is explained, where it points, and how it looks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from awarenet.cascade import Decisions, sigmoid
from awarenet.errors import DataError, TensorError
from awarenet.faces import crop_face
from awarenet.heatmap import (
    EXPECTED_FILE,
    GRID,
    LOGITS,
    Expected,
    Heatmap,
    explain,
    measure_drop,
    overlay,
    regrain,
    spread,
    variants,
)
from awarenet.policy import Leakage, Policy
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import FACE_SIZE, FEATURES, MAX_BATCH, Route
from benchmarks.heatmap import figures
from tests import tiny_crops
from tests import tiny_repository as tiny
from tests.samples import ASTRONAUT_FACE, astronaut
from training.forgeries.blending import self_blend
from training.forgeries.masks import blend_mask

REPOSITORY = Path(__file__).resolve().parents[2]
POLICY = Policy(0.05, 0.95, 0.5, 0.1, Leakage(0.01, 300, 0, 0.01, 300, 200), "made up", {"fast_filter": "0"})


@pytest.fixture(scope="module")
def face() -> NDArray[np.uint8]:
    return crop_face(astronaut(), ASTRONAUT_FACE).face


class TraceFinder:
    """A runtime that finds one trace, a faint pattern of noise, by correlation; it counts its calls.

    Anywhere that a texture changes it sees a forgery as well, as networks do: `border` is how much.
    """

    policy = POLICY

    def __init__(self, pattern: NDArray[np.float32], border: float = 0.0) -> None:
        self.pattern, self.border, self.calls = pattern, border, 0

    def score(
        self,
        faces: NDArray[np.uint8],
        face_px: NDArray[np.float32] | None = None,
        *,
        route: Route = "cascade",
        timeout_s: float | None = None,
    ) -> Decisions:
        assert route == "full"
        self.calls += 1
        grain = faces.astype(np.float32) - np.stack([cv2.GaussianBlur(one, (0, 0), 2) for one in faces])
        logit = 0.01 * (grain.mean(axis=3) * self.pattern).sum(axis=(1, 2)) / 9
        # The first two are the whole face and the one regrained everywhere: they have no border.
        logit[2:] += self.border
        evidence = np.full((len(faces), len(FEATURES)), np.nan, np.float32)
        evidence[:, [FEATURES.index(name) for name in LOGITS]] = logit[:, None]
        return Decisions(sigmoid(logit), np.full(len(faces), 3, np.int32), evidence)

    def close(self) -> None:
        pass


def traced(face: NDArray[np.uint8], y: int, x: int, side: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The face with a faint pattern in a square, and the pattern."""
    pattern = np.zeros((FACE_SIZE, FACE_SIZE), np.float32)
    pattern[y : y + side, x : x + side] = np.random.default_rng(0).choice([-3, 3], (side, side))
    return np.clip(face + pattern[..., None], 0, 255).astype(np.uint8), pattern


@pytest.mark.parametrize(("y", "x"), [(10, 10), (100, 40), (40, 150), (170, 170), (96, 96)])
@pytest.mark.parametrize("border", [0.0, 2.0])
def test_the_map_points_at_the_trace_whatever_the_patches_leave_themselves(
    face: NDArray[np.uint8], y: int, x: int, border: float
) -> None:
    marked, pattern = traced(face, y, x, 64)
    finder = TraceFinder(pattern, border)
    heatmap = explain(finder, marked)
    row, column = np.unravel_index(heatmap.values.argmax(), heatmap.values.shape)
    assert y <= row < y + 64 and x <= column < x + 64
    inside = pattern != 0
    assert heatmap.values[inside].mean() > 4 * np.abs(heatmap.values[~inside]).mean()
    assert finder.calls == 1


def test_a_pattern_that_speaks_against_a_forgery_is_below_zero(face: NDArray[np.uint8]) -> None:
    marked, pattern = traced(face, 96, 96, 64)
    heatmap = explain(TraceFinder(-pattern), marked)
    assert heatmap.values[128, 128] < -0.05 and heatmap.logit < 0


def test_what_real_faces_show_is_subtracted_for_these_models_alone(face: NDArray[np.uint8]) -> None:
    marked, pattern = traced(face, 96, 96, 64)
    runtime = TraceFinder(pattern)
    drop, _ = measure_drop(runtime, marked)
    plain = explain(runtime, marked)
    assert not plain.corrected
    other = explain(runtime, marked, expected=Expected("other models", drop, 1))
    np.testing.assert_array_equal(other.values, plain.values)
    assert not other.corrected
    same = explain(runtime, marked, expected=Expected(POLICY.model_version, drop, 1))
    assert same.corrected and np.abs(same.values).max() < 1e-6


def test_the_variants_are_the_face_without_and_with_each_patch_alone(face: NDArray[np.uint8]) -> None:
    made = variants(face)
    assert made.shape == (2 + 2 * GRID**2, FACE_SIZE, FACE_SIZE, 3) and made.dtype == np.uint8
    np.testing.assert_array_equal(made[0], face)
    np.testing.assert_array_equal(made[1], regrain(face))
    deleted, inserted = made[2 : 2 + GRID**2].astype(int), made[2 + GRID**2 :].astype(int)
    # What one of a pair takes from the face the other takes from the regrained one.
    assert np.abs(deleted + inserted - made[0].astype(int) - made[1]).max() <= 1
    changed = (np.abs(deleted - face) > 0).any(axis=3)
    assert 0.01 < changed.mean(axis=(1, 2)).max() < 0.15
    assert changed.any(axis=0).mean() > 0.9


def test_regraining_keeps_colours_and_the_amount_of_texture(face: NDArray[np.uint8]) -> None:
    other = regrain(face)
    smooth = [cv2.GaussianBlur(one, (0, 0), 6).astype(float) for one in (face, other)]
    assert np.abs(smooth[0] - smooth[1]).mean() < 3
    grains = [one.astype(float) - cv2.GaussianBlur(one, (0, 0), 1) for one in (face, other)]
    assert grains[1].std() == pytest.approx(grains[0].std(), rel=0.3)
    assert abs(np.corrcoef(grains[0].ravel(), grains[1].ravel())[0, 1]) < 0.15


def test_a_patch_alone_is_spread_around_its_place() -> None:
    drop = np.zeros((GRID, GRID), np.float32)
    drop[2, 5] = 1
    values = spread(drop)
    assert values.shape == (FACE_SIZE, FACE_SIZE) and values.dtype == np.float32
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert abs(row - 3 * FACE_SIZE / 8) < 16 and abs(column - 6 * FACE_SIZE / 8) < 16
    np.testing.assert_allclose(spread(np.ones((GRID, GRID), np.float32))[32:224, 32:224], 1, atol=1e-5)


@pytest.mark.parametrize("face", [np.zeros((8, 8, 3), np.uint8), np.zeros((256, 256, 3), np.float32)])
def test_what_is_no_face_is_refused(face: NDArray[np.uint8]) -> None:
    with pytest.raises(TensorError, match="face: expected uint8"):
        explain(TraceFinder(np.zeros((256, 256), np.float32)), face)


@pytest.fixture(scope="module")
def shipped() -> InProcessRuntime:
    return InProcessRuntime(REPOSITORY / "model_repository")


def test_the_map_of_the_served_models_differs_between_forged_region_and_background(
    shipped: InProcessRuntime,
) -> None:
    """One face; how often it points at the right place is measured by `python -m benchmarks heatmap`."""
    square, points = tiny_crops.face()
    real = cv2.resize(square, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA)
    landmarks = points * (FACE_SIZE / len(square))
    rng = np.random.default_rng(4)
    fake, mask = self_blend(real, blend_mask(landmarks.astype(np.float32), FACE_SIZE, rng), rng, 0.0)
    forged = mask > 0.5 * mask.max()
    assert 0.02 < forged.mean() < 0.6
    heatmap = explain(shipped, fake, expected=Expected.load())
    assert heatmap.corrected
    inside, outside = heatmap.values[forged], heatmap.values[~forged]
    assert inside.mean() > outside.mean() + 0.5 * outside.std()


def test_every_batch_obeys_the_contract_on_real_models(tmp_path: Path, face: NDArray[np.uint8]) -> None:
    assert len(variants(face)) > MAX_BATCH  # split by the runtime
    runtime = InProcessRuntime(tiny.build(tmp_path / "repository"))
    heatmap = explain(runtime, tiny.paint(tiny.DOUBTFUL_FAKE)[0], 300.0)
    runtime.close()
    # Nothing but the mean colour counts there, and that is everywhere the same.
    assert np.abs(heatmap.values).max() < 0.05 and heatmap.logit > 0


def test_an_overlay_is_grey_without_evidence_and_coloured_where_it_is(face: NDArray[np.uint8]) -> None:
    values = np.full((FACE_SIZE, FACE_SIZE), -1, np.float32)
    grey = overlay(face, Heatmap(values, 0.0, True))
    assert grey.dtype == np.uint8 and np.ptp(grey.astype(int), axis=2).max() == 0
    values[100:150, 100:150] = 2
    drawn = overlay(face, Heatmap(values, 0.0, True)).astype(int)
    coloured = np.ptp(drawn, axis=2) > 40
    assert coloured[100:150, 100:150].mean() > 0.9 and coloured.sum() <= 50 * 50


def test_weak_evidence_looks_weak(face: NDArray[np.uint8]) -> None:
    values = np.zeros((FACE_SIZE, FACE_SIZE), np.float32)
    values[100:150, 100:150] = 1
    strong, weak = (overlay(face, Heatmap(values * factor, 0.0, True)).astype(int) for factor in (1.0, 0.02))
    grey = overlay(face, Heatmap(values * 0, 0.0, True))
    assert np.abs(weak - grey).mean() < 0.2 * np.abs(strong - grey).mean()


def test_stronger_evidence_is_lighter_to_any_eye() -> None:
    ramp = np.tile(np.linspace(0.1, 1, FACE_SIZE, dtype=np.float32), (FACE_SIZE, 1))
    dark = np.zeros((FACE_SIZE, FACE_SIZE, 3), np.uint8)
    drawn = overlay(dark, Heatmap(ramp, 0.0, True))
    lightness = cv2.cvtColor(drawn, cv2.COLOR_RGB2LAB)[128, :, 0].astype(int)
    assert (np.diff(lightness) >= -1).all() and lightness[-1] - lightness[0] > 100


def test_the_shipped_expectation_belongs_to_the_shipped_models() -> None:
    manifest = json.loads((REPOSITORY / "model_repository/cascade/1/policy.json").read_text())
    policy = Policy.from_json(json.dumps(manifest))
    expected = Expected.load()
    assert expected.model_version == policy.model_version, "run `python -m benchmarks heatmap --write-expected`"
    assert expected.faces >= 16 and np.abs(expected.drop).max() > 0


def test_an_expectation_survives_its_file_and_a_broken_one_is_said(tmp_path: Path) -> None:
    path = tmp_path / EXPECTED_FILE.name
    expected = Expected("0123456789ab", np.linspace(-1, 1, GRID**2, dtype=np.float32).reshape(GRID, GRID), 7)
    path.write_text(expected.to_json())
    again = Expected.load(path)
    np.testing.assert_allclose(again.drop, expected.drop, atol=1e-5)
    assert (again.model_version, again.faces) == (expected.model_version, 7)
    for text in ("", "{}", '{"model_version": "x", "faces": 1, "drop": [[1]]}', "[1]"):
        path.write_text(text)
        with pytest.raises(DataError, match="heatmap"):
            Expected.load(path)
    with pytest.raises(DataError, match="--write-expected"):
        Expected.load(tmp_path / "absent.json")


def test_the_pointing_game_knows_a_map_that_points_from_one_that_does_not() -> None:
    draw = np.random.default_rng(0)
    masks = np.zeros((20, 64, 64), bool)
    for mask in masks:
        y, x = draw.integers(0, 40, 2)
        mask[y : y + 16, x : x + 16] = True
    right = masks + 0.1 * draw.random(masks.shape).astype(np.float32)
    blind = draw.random(masks.shape).astype(np.float32)
    groups = np.arange(20)
    result = figures(right.astype(np.float32), masks, groups)
    assert result["hit"]["mean"] == 1 and result["pixel_auc"]["mean"] == 1
    assert result["hit_other_masks"]["mean"] < 0.5
    assert result["hit_above_other_masks"]["low"] > 0.5
    blindly = figures(blind, masks, groups)
    assert blindly["hit"]["mean"] < 0.4
    assert abs(blindly["pixel_auc_above_other_masks"]["mean"]) < 0.1


def test_the_command_prints_every_figure(tmp_path: Path) -> None:
    tiny_crops.build(tmp_path / "crops", people=24)
    command = [sys.executable, "-m", "benchmarks", "heatmap", "--crops", str(tmp_path / "crops"), "--faces", "3"]
    command += ["--in-process", "--model-repository", str(tiny.build(tmp_path / "models"))]
    command += ["--out", str(tmp_path / "heatmap.json")]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert ended.returncode == 0, ended.stderr
    result = json.loads((tmp_path / "heatmap.json").read_text())
    assert result["faces"] == 3 and not result["corrected"]
    assert 0 <= result["hit"]["mean"] <= 1
    assert "highest point" in ended.stdout and "not corrected" in ended.stdout
