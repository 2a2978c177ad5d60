"""Following people through sampled frames, and the one score of a track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from awarenet.faces import FaceBox, overlap

_LEAST_OVERLAP = 0.2
"""Boxes of one person in neighbouring samples overlap at least so much (intersection over union). Low, because seconds
lie between samples; different people rarely overlap at all."""

_EDGE = 1e-6
"""Probabilities are kept this far from 0 and 1 before their logits are averaged."""


def follow(frames: Sequence[Sequence[FaceBox]]) -> list[list[int]]:
    """Numbers the faces of a clip by person: greedy, best overlap with the last box of each track first.

    Args:
        frames: The boxes of each sampled frame, in time order.

    Returns:
        For each frame the track number of each of its boxes; tracks are numbered from 0 as they appear.
    """
    last: list[FaceBox] = []
    numbers = []
    for boxes in frames:
        pairs = sorted(
            (
                (overlap(box, last[track])[0], track, index)
                for index, box in enumerate(boxes)
                for track in range(len(last))
            ),
            key=lambda pair: (-pair[0], pair[1], pair[2]),
        )
        mine: dict[int, int] = {}
        for shared, track, index in pairs:
            if shared >= _LEAST_OVERLAP and index not in mine and track not in mine.values():
                mine[index] = track
        for index, box in enumerate(boxes):
            if index not in mine:
                mine[index] = len(last)
                last.append(box)
            last[mine[index]] = box
        numbers.append([mine[index] for index in range(len(boxes))])
    return numbers


def track_probabilities(probability: NDArray[np.float32], track: NDArray[np.int64]) -> dict[int, float]:
    """P(fake) of each track: the sigmoid of the mean logit of its faces; a single face keeps its own.

    Args:
        probability: P(fake) of each face, float32 `[N]` in [0, 1].
        track: Track number of each face, int64 `[N]`.

    Returns:
        Track number to P(fake), by ascending track number.
    """
    kept = np.clip(probability.astype(np.float64), _EDGE, 1 - _EDGE)
    logits = np.log(kept / (1 - kept))
    scores = {}
    for one in np.unique(track):
        mine = track == one
        mean = 1 / (1 + np.exp(-logits[mine].mean()))
        scores[int(one)] = float(mean if mine.sum() > 1 else probability[mine][0])
    return scores
