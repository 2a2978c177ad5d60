"""Batches of real/fake pairs, each a pure function of (seed, step): a resumed run sees what it would have seen.

One item of the data set is one whole batch, so that a worker process hands over three large arrays and not hundreds
of small ones.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from awarenet.faces import CROP_SCALE
from training.crops import CropCache, cut
from training.forgeries import Pair, forge

SCALE_JITTER = 0.1
SHIFT_JITTER = 0.05
"""How far the crops of the two face engines lie apart, as shares of the face box."""


@dataclass(frozen=True)
class Batch:
    """Pairs, the real faces first.

    Attributes:
        faces: uint8 `[2 P, S, S, 3]`, RGB: P real faces, then their P forgeries in the same order.
        labels: float32 `[2 P]`, 0 real, 1 fake.
        masks: uint8 `[2 P, S, S]`, 0 to 255: how much of each pixel is replaced.
    """

    faces: torch.Tensor
    labels: torch.Tensor
    masks: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        return Batch(*(part.to(device, non_blocking=True) for part in (self.faces, self.labels, self.masks)))


@dataclass(frozen=True)
class Schedule:
    """What is shown when.

    Attributes:
        steps: Length of the run.
        ramp: Share of the run after which forgeries have their full range of difficulty.
        window_share: Share of the run, at its start, that is trained on windows of faces and not on whole ones.
        window: Side of such a window in pixels.
        window_pairs: Pairs of windows a batch.
        pairs: Pairs of whole faces a batch.
    """

    steps: int
    ramp: float = 0.6
    window_share: float = 0.65
    window: int = 144
    window_pairs: int = 32
    pairs: int = 16

    def difficulty(self, step: int) -> float:
        """Difficulty in [0, 1] at a step."""
        return min(1.0, step / max(1.0, self.ramp * self.steps))

    def windowed(self, step: int) -> bool:
        """Whether a step is trained on windows."""
        return step < self.window_share * self.steps

    def pairs_before(self, step: int) -> int:
        """How many pairs a process has seen when it comes to a step."""
        windowed = min(step, math.ceil(self.window_share * self.steps))
        return windowed * self.window_pairs + (step - windowed) * self.pairs


def make_pair(
    cache: CropCache,
    row: int,
    rng: np.random.Generator,
    *,
    difficulty: float = 1.0,
    window: int | None = None,
    degrade: bool = True,
) -> Pair:
    """A pair from one cached real face, its crop jittered over the geometry of both face engines."""
    dx, dy = rng.uniform(-SHIFT_JITTER, SHIFT_JITTER, 2)
    scale = CROP_SCALE * rng.uniform(1 - SCALE_JITTER, 1 + SCALE_JITTER)
    flip = bool(rng.random() < 0.5)
    face, points = cut(cache.faces[row], cache.landmarks(row), scale=scale, shift=(dx, dy), flip=flip)
    decoded = None
    if cache.reconstructions is not None:
        square = cache.reconstructions[rng.integers(len(cache.reconstructions)), row]
        decoded, _ = cut(square, cache.landmarks(row), scale=scale, shift=(dx, dy), flip=flip)
    return forge(face, points, rng, difficulty=difficulty, window=window, decoded=decoded, degrade=degrade)


def collate(pairs: list[Pair]) -> Batch:
    """Stacks pairs into a batch; a fake whose window shows nothing of the mask is labelled real."""
    faces = np.stack([pair.real for pair in pairs] + [pair.fake for pair in pairs])
    masks = np.zeros(faces.shape[:3], np.uint8)
    for index, pair in enumerate(pairs, start=len(pairs)):
        masks[index] = np.round(pair.mask * 255)
    labels = (masks > 32).mean((1, 2)) > 0.005
    return Batch(torch.from_numpy(faces), torch.from_numpy(labels.astype(np.float32)), torch.from_numpy(masks))


class TrainingPairs(Dataset[Batch]):
    """Item k is the batch of step k."""

    def __init__(
        self, cache: CropCache, rows: NDArray[np.int64], schedule: Schedule, *, seed: int, rank: int = 0
    ) -> None:
        self.cache, self.rows, self.schedule, self.seed, self.rank = cache, rows, schedule, seed, rank

    def __len__(self) -> int:
        return self.schedule.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, self.rank, step])
        windowed = self.schedule.windowed(step)
        count = self.schedule.window_pairs if windowed else self.schedule.pairs
        chosen = rng.choice(self.rows, count, replace=count > len(self.rows))
        window = self.schedule.window if windowed else None
        difficulty = self.schedule.difficulty(step)
        return collate([make_pair(self.cache, int(row), rng, difficulty=difficulty, window=window) for row in chosen])


def training_batches(
    pairs: TrainingPairs, *, start: int = 0, stop: int | None = None, workers: int = 1
) -> Iterator[Batch]:
    """Batches of the steps from `start` on, made by worker processes ahead of need."""
    steps = range(start, len(pairs) if stop is None else stop)
    loader = DataLoader(
        pairs,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=6 if workers else None,
        worker_init_fn=_single_threaded,
    )
    return iter(loader)


def _single_threaded(worker: int) -> None:
    # OpenCV's own threads would take the trainer's cores.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def validation_pairs(cache: CropCache, rows: NDArray[np.int64], *, draws: int, seed: int) -> Iterator[tuple[int, Pair]]:
    """Pairs of full difficulty from held-out people, the same on every call.

    Args:
        cache: The faces.
        rows: Rows of real faces.
        draws: Forgeries a face.
        seed: Of the forgeries.

    Yields:
        The row and its pair.
    """
    for row in rows:
        for draw in range(draws):
            yield int(row), make_pair(cache, int(row), np.random.default_rng([seed, int(row), draw]))


def measure(cache: CropCache, schedule: Schedule, *, batches: int = 20, workers: int = 1) -> dict[str, float]:
    """Pairs a second that worker processes deliver when nobody trains, for windows and for whole faces."""
    pairs = TrainingPairs(cache, cache.rows("train", 0), schedule, seed=0)
    rates = {}
    for name, start in (("windows", 0), ("whole_faces", schedule.steps - batches - 1)):
        stream = training_batches(pairs, start=start, stop=start + batches + 1, workers=workers)
        next(stream)  # the workers have started
        began = time.monotonic()
        delivered = sum(len(batch.faces) // 2 for batch in stream)
        rates[name] = delivered / (time.monotonic() - began)
    return rates


def command(crops: Path, workers: int = 1, batches: int = 20) -> None:
    """Measures how many pairs a second the loader delivers.

    Args:
        crops: Crop cache of real faces.
        workers: Processes that make batches.
        batches: Batches to time, for each kind.
    """
    for name, rate in measure(CropCache.open(crops), Schedule(steps=10_000), batches=batches, workers=workers).items():
        print(f"{name}: {rate:.0f} pairs/s with {workers} worker(s)")  # noqa: T201
