"""Crops, splits and batches: the same everywhere, and nobody on two sides."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut

from awarenet.errors import DataError
from awarenet.faces import FaceBox, crop_face
from tests import tiny_crops
from training.crops import CACHE_SCALE, CACHE_SIZE, SPLITS, CropCache, crop_faces, cut, split_groups
from training.forgeries.autoencoder import decode_faces, train_adversarial_autoencoder, write_reconstructions
from training.loader import Schedule, TrainingPairs, measure, training_batches, validation_pairs

SCHEDULE = Schedule(steps=8, ramp=0.5, window_share=0.5, window=96, window_pairs=3, pairs=2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> CropCache:
    return tiny_crops.build(tmp_path_factory.mktemp("crops"))


class FixedDetector:
    """Finds the face where YuNet finds it, and nothing in pictures without colour."""

    name = "fixed"

    def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
        return [tiny_crops.BOX] if image.std() > 1 else []


def manifest(*paths: str) -> pd.DataFrame:
    columns = {"label": "real", "subset": "s", "method": "photo"}
    return pd.DataFrame({"path": paths, "group": [Path(path).stem for path in paths]}).assign(**columns)


def test_splits_are_disjoint_stable_and_of_the_promised_size() -> None:
    groups = [f"g{index}" for index in range(200)]
    split = split_groups(groups, seed=3)
    assert split == split_groups(reversed(groups * 2), seed=3)
    assert split != split_groups(groups, seed=4)
    counts = pd.Series(split).value_counts()
    assert {name: counts[name] / 200 for name in SPLITS} == dict(SPLITS)


def test_cropping_writes_what_was_found(tmp_path: Path) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "face.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "blank.png")
    cache = crop_faces(manifest("face.png", "blank.png"), tmp_path, FixedDetector(), tmp_path / "crops")
    square, points = tiny_crops.face()
    assert cache.faces.shape == (1, CACHE_SIZE, CACHE_SIZE, 3)
    np.testing.assert_array_equal(cache.faces[0], square)
    np.testing.assert_allclose(cache.landmarks(0), points, atol=1e-3)
    assert "blank.png" in (tmp_path / "crops" / "crops.json").read_text()


def test_a_given_split_is_kept(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Image.fromarray(astronaut()).save(tmp_path / f"{name}.png")
    table = manifest("a.png", "b.png", "c.png").assign(split=["validation", "train", "excluded"])
    cache = crop_faces(table, tmp_path, FixedDetector(), tmp_path / "crops")
    assert dict(zip(cache.table["group"], cache.table["split"], strict=True)) == {"a": "validation", "b": "train"}


def test_cropping_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "blank.png")
    with pytest.raises(DataError, match="no face"):
        crop_faces(manifest("blank.png"), tmp_path, FixedDetector(), tmp_path / "crops")
    with pytest.raises(DataError, match="group"):
        crop_faces(manifest("blank.png").drop(columns="group"), tmp_path, FixedDetector(), tmp_path / "crops")


def test_a_damaged_cache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no crop cache"):
        CropCache.open(tmp_path)
    tiny_crops.build(tmp_path, people=3)
    pd.read_parquet(tmp_path / "faces.parquet").iloc[:2].to_parquet(tmp_path / "faces.parquet")
    with pytest.raises(DataError, match="damaged"):
        CropCache.open(tmp_path)


def test_the_serving_crop_is_what_serving_cuts() -> None:
    image = np.asarray(cv2.resize(astronaut(), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC), np.uint8)
    box = FaceBox(712.0, 260.0, 364.0, 444.0, 0.94, tiny_crops.LANDMARKS * 4)
    cached = crop_face(image, box, scale=CACHE_SCALE, size=CACHE_SIZE)
    served = crop_face(image, box).face.astype(float)
    # Scaled down twice instead of once: alike but for the second filter.
    assert np.abs(served - cut(cached.face, tiny_crops.LANDMARKS)[0]).mean() < 3


def test_mirrored_landmarks_stay_on_the_face() -> None:
    square, points = tiny_crops.face()
    plain, mirrored = cut(square, points), cut(square, points, flip=True)
    np.testing.assert_array_equal(plain[0][:, ::-1], mirrored[0])
    assert mirrored[1][0, 0] < mirrored[1][1, 0]  # the right eye is still on the left of the picture
    np.testing.assert_allclose(mirrored[1][2], [256 - plain[1][2, 0], plain[1][2, 1]], atol=1e-3)


def test_a_batch_is_a_pure_function_of_seed_and_step(cache: CropCache) -> None:
    rows = cache.rows("train")
    first, second = (TrainingPairs(cache, rows, SCHEDULE, seed=5) for _ in range(2))
    for step in (6, 1):
        assert torch.equal(first[step].faces, second[step].faces)
        assert torch.equal(first[step].masks, second[step].masks)
    assert not torch.equal(first[6].faces, first[7].faces)
    assert not torch.equal(first[6].faces, TrainingPairs(cache, rows, SCHEDULE, seed=6)[6].faces)
    assert not torch.equal(first[6].faces, TrainingPairs(cache, rows, SCHEDULE, seed=5, rank=1)[6].faces)


def test_windows_come_first_and_whole_faces_after(cache: CropCache) -> None:
    pairs = TrainingPairs(cache, cache.rows("train"), SCHEDULE, seed=5)
    assert [tuple(pairs[step].faces.shape) for step in (0, 3, 4, 7)] == [(6, 96, 96, 3)] * 2 + [(4, 256, 256, 3)] * 2
    assert [SCHEDULE.difficulty(step) for step in (0, 2, 4, 8)] == [0, 0.5, 1, 1]


def test_reals_come_first_and_have_no_mask(cache: CropCache) -> None:
    batch = TrainingPairs(cache, cache.rows("train"), SCHEDULE, seed=5)[5]
    assert batch.labels.tolist() == [0, 0, 1, 1]
    assert not batch.masks[:2].any() and batch.masks[2:].flatten(1).any(1).all()


def test_workers_change_nothing_and_resuming_skips_ahead(cache: CropCache) -> None:
    pairs = TrainingPairs(cache, cache.rows("train"), SCHEDULE, seed=5)
    alone = list(training_batches(pairs, workers=0))
    helped = list(training_batches(pairs, start=5, workers=1))
    assert len(alone) == 8 and len(helped) == 3
    for expected, got in zip(alone[5:], helped, strict=True):
        assert torch.equal(expected.faces, got.faces)


def test_the_loader_can_be_measured(cache: CropCache) -> None:
    rates = measure(cache, SCHEDULE, batches=2, workers=0)
    assert rates.keys() == {"windows", "whole_faces"} and min(rates.values()) > 0


def test_validation_pairs_are_always_the_same(cache: CropCache) -> None:
    rows = cache.rows("validation")
    first, second = (list(validation_pairs(cache, rows, draws=2, seed=1)) for _ in range(2))
    assert len(first) == 2 * len(rows)
    for (row, pair), (other, twin) in zip(first, second, strict=True):
        assert row == other
        np.testing.assert_array_equal(pair.fake, twin.fake)
    images = [pair.fake.tobytes() for _, pair in first]
    assert all(a != b for a, b in itertools.combinations(images, 2))


def test_reconstructions_resemble_the_faces_and_are_found_beside_them(tmp_path: Path) -> None:
    cache = tiny_crops.build(tmp_path, people=4)
    assert cache.reconstructions is None
    write_reconstructions(tmp_path, steps=3, adversarial_steps=8)
    bank = CropCache.open(tmp_path).reconstructions
    assert bank is not None and bank.shape == (6, *cache.faces.shape)
    for decoded in bank:
        assert 0.5 < np.abs(decoded.astype(float) - cache.faces).mean() < 40
    write_reconstructions(tmp_path, steps=3, adversarial_steps=0)
    bank = CropCache.open(tmp_path).reconstructions
    assert bank is not None and len(bank) == 3


def test_a_discriminator_sharpens_what_a_narrow_latent_blurs(tmp_path: Path) -> None:
    cache = tiny_crops.build(tmp_path, people=4)
    rough = np.random.default_rng(0).integers(0, 256, cache.faces.shape, np.uint8)
    noisy = dataclasses.replace(cache, faces=rough)

    def detail(joins: float) -> float:
        decoder = train_adversarial_autoencoder(noisy, "nearest", steps=160, count=4, side=48, joins=joins)
        decoded = decode_faces(decoder, rough[:2])[:, 100:200, 100:200]
        return float(np.abs(np.diff(decoded.astype(float), axis=2)).mean())

    # Noise cannot be carried by the latent: the mean error alone makes it grey, the discriminator asks for grain.
    assert detail(joins=0.25) > 1.5 * detail(joins=1.0)


def test_pairs_are_counted_from_the_schedule_alone() -> None:
    schedule = Schedule(steps=11, window_share=0.65, window_pairs=4, pairs=2)
    counts = [4 if schedule.windowed(step) else 2 for step in range(11)]
    assert [schedule.pairs_before(step) for step in range(12)] == [sum(counts[:step]) for step in range(12)]
