"""Forgeries: what is changed, what is shared, and that nothing but the forgery tells the label."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from awarenet.evaluation.metrics import auc
from tests import tiny_crops
from training.crops import cut
from training.forgeries import KINDS, Degradation, forge
from training.forgeries.blending import self_blend
from training.forgeries.masks import REFERENCE, blend_mask, fit_reference
from training.forgeries.upsampling import decode
from training.forgeries.video_codec import h264

SQUARE, POINTS = tiny_crops.face()
FACE, LANDMARKS = cut(SQUARE, POINTS)


def test_the_reference_lands_on_the_landmarks() -> None:
    turn = np.array([[0.8, -0.6], [0.6, 0.8]], np.float32)
    landmarks = REFERENCE @ turn.T * 1.7 + np.array([5, 9], np.float32)
    fit = fit_reference(landmarks)
    np.testing.assert_allclose(REFERENCE @ fit[:, :2].T + fit[:, 2], landmarks, atol=1e-2)


def test_masks_lie_on_the_face_and_differ() -> None:
    masks = np.stack([blend_mask(LANDMARKS, 256, np.random.default_rng(seed)) for seed in range(60)])
    assert masks.dtype == np.float32 and masks.min() >= 0 and masks.max() <= 1
    mean = masks.mean(0)
    x, y = LANDMARKS[2].astype(int)
    assert mean[y, x] > 0.5  # most masks cover the nose
    assert mean[:8].max() < 0.05 and mean[:, :8].max() < 0.05  # and none reaches the border of the crop
    assert all((mask > 0.5).mean() > 0.002 for mask in masks)
    assert len({mask.tobytes() for mask in masks}) == len(masks)


def test_a_self_blend_changes_one_side_of_the_mask() -> None:
    mask = np.zeros((256, 256), np.float32)
    mask[80:180, 70:190] = 1
    inner, outer = 0, 0
    for seed in range(80):
        fake, weight = self_blend(FACE, mask, np.random.default_rng(seed), difficulty=0.0)
        assert np.array_equal(weight, mask)  # the easiest forgeries are blended in full
        changed = np.abs(fake.astype(int) - FACE).max(-1)
        outside_kept = not changed[mask == 0].any()
        inner += outside_kept
        outer += not outside_kept
        assert changed.any()
        if outside_kept:
            assert changed[mask == 1].mean() > 0.5
    assert min(inner, outer) > 20  # either the face or its surroundings are the altered copy


def test_the_reported_mask_carries_the_blending_ratio() -> None:
    mask = np.ones((256, 256), np.float32)
    ratios = {float(self_blend(FACE, mask, np.random.default_rng(seed), 1.0)[1].max()) for seed in range(60)}
    assert ratios == {0.25, 0.5, 0.75, 1.0}


def test_a_degradation_is_the_same_for_both_halves() -> None:
    drawn = [Degradation.draw(np.random.default_rng(seed), 1.0) for seed in range(60)]
    for degradation in drawn:
        np.testing.assert_array_equal(degradation.apply(FACE), degradation.apply(FACE.copy()))
    assert any(d.noise for d in drawn) and any(d.blur for d in drawn) and any(d.scale < 1 for d in drawn)
    assert 0.5 < np.mean([d.quality is not None for d in drawn]) < 0.9
    assert all(d.quality is None or 30 <= d.quality <= 100 for d in drawn)


def test_degradations_bring_dark_bright_grey_and_tinted_pictures() -> None:
    drawn = [Degradation.draw(np.random.default_rng(seed), 0.0) for seed in range(200)]
    pictures = [degradation.apply(FACE).astype(float) for degradation in drawn]
    before = FACE.mean()
    light = np.array([picture.mean() for picture in pictures]) / before
    assert light.min() < 0.75 and light.max() > 1.25 and 0.9 < np.median(light) < 1.1
    grey = [np.ptp(picture, axis=2).mean() < np.ptp(FACE.astype(float), axis=2).mean() / 4 for picture in pictures]
    assert 0.03 < np.mean(grey) < 0.2
    warmth = np.array([picture[..., 0].mean() / picture[..., 2].mean() for picture in pictures])
    warmth /= FACE[..., 0].mean() / FACE[..., 2].mean()
    assert warmth.min() < 0.8 and warmth.max() > 1.25


def test_a_picture_without_saturation_is_its_luma() -> None:
    drawn = next(
        d for d in (Degradation.draw(np.random.default_rng(seed), 0.0) for seed in range(200)) if not d.saturation
    )
    grey = dataclasses.replace(drawn, tone=np.tile(np.arange(256, dtype=np.uint8)[:, None], (1, 3))).apply(FACE)
    expected = FACE @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey, np.repeat(expected[..., None], 3, axis=2), atol=1)


def test_easy_pairs_are_not_compressed_or_rescaled() -> None:
    drawn = [Degradation.draw(np.random.default_rng(seed), 0.0) for seed in range(60)]
    assert all(d.quality is d.rate_factor is None and d.scale == 1 and not d.blur and not d.noise for d in drawn)


def test_a_video_codec_costs_more_the_higher_its_rate_factor() -> None:
    losses = [np.abs(h264(FACE, rate).astype(int) - FACE).mean() for rate in (18, 28, 40)]
    assert 0 < losses[0] < losses[1] < losses[2] < 20
    np.testing.assert_array_equal(h264(FACE, 28), h264(FACE, 28))


def test_some_pictures_were_part_of_a_video() -> None:
    drawn = [Degradation.draw(np.random.default_rng(seed), 1.0) for seed in range(100)]
    share = np.mean([d.rate_factor is not None for d in drawn])
    assert 0.15 < share < 0.45


def test_the_same_state_gives_the_same_pair() -> None:
    for seed in range(8):
        first, second = (forge(FACE, LANDMARKS, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first.fake, second.fake)
        np.testing.assert_array_equal(first.real, second.real)
        assert first.kind == second.kind


def test_every_kind_is_made_and_differs_from_its_twin() -> None:
    pairs = [forge(FACE, LANDMARKS, np.random.default_rng(seed)) for seed in range(60)]
    assert {pair.kind for pair in pairs} == set(KINDS)
    for pair in pairs:
        assert pair.real.shape == pair.fake.shape == (256, 256, 3)
        assert pair.real.dtype == pair.fake.dtype == np.uint8
        assert not np.array_equal(pair.real, pair.fake)
        if pair.kind == "decoded":
            assert pair.mask.min() == 1


@pytest.mark.parametrize("window", [96, 144])
def test_windows_hold_both_sides_of_a_seam(window: int) -> None:
    pairs = [forge(FACE, LANDMARKS, np.random.default_rng(seed), window=window) for seed in range(60)]
    assert all(pair.real.shape == (window, window, 3) and pair.mask.shape == (window, window) for pair in pairs)
    blends = [pair for pair in pairs if pair.kind != "decoded"]
    seams = [pair.mask.max() > 0.2 and pair.mask.min() < 0.05 for pair in blends]
    assert np.mean(seams) > 0.9


def test_a_given_reconstruction_becomes_the_fake() -> None:
    marked = np.full_like(FACE, 7)
    pairs = [forge(FACE, LANDMARKS, np.random.default_rng(seed), difficulty=0, decoded=marked) for seed in range(80)]
    taken = [pair.fake.std() < 2 for pair in pairs if pair.kind == "decoded"]
    assert 0.2 < np.mean(taken) < 0.8


def test_decoding_keeps_the_sharpness_of_its_twin() -> None:
    decoded, plain = zip(*(decode(FACE, np.random.default_rng(seed), 1.0) for seed in range(40)), strict=True)
    for fake, real in zip(decoded, plain, strict=True):
        assert 0 < np.abs(fake.astype(float) - real).mean() < 12


@pytest.mark.parametrize("cue", ["sharpness", "bytes", "brightness"])
def test_no_global_cue_tells_the_label(cue: str) -> None:
    def value(image: np.ndarray) -> float:
        if cue == "sharpness":
            return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())
        if cue == "bytes":
            return float(len(cv2.imencode(".jpg", image)[1]))
        return float(image.mean())

    pairs = [forge(FACE, LANDMARKS, np.random.default_rng([9, seed])) for seed in range(150)]
    scores = [value(pair.real) for pair in pairs] + [value(pair.fake) for pair in pairs]
    labels = [0] * len(pairs) + [1] * len(pairs)
    assert 0.38 < auc(labels, scores) < 0.62
