"""How far two forms of one model differ on the same real faces, and whether that is tolerable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Floats = NDArray[np.float32]


_ROUNDING: Final = 1e-9  # Of the subtraction of two AUCs, which are ratios of small integers.


@dataclass(frozen=True)
class Tolerance:
    """How far two forms of a model may differ.

    Attributes:
        score: Largest difference of a score (logit or probability, whichever is compared).
        auc_loss: Largest loss of AUC, in [0, 1], over all subsets.
        flips: Largest share of faces that change sides of the threshold.
    """

    score: float
    auc_loss: float
    flips: float


TRANSLATED: Final = Tolerance(score=1e-3, auc_loss=1e-4, flips=0.0)
"""For logits of one network in two forms of floats: PyTorch and ONNX, in-process and Triton."""

COMPILED: Final = Tolerance(score=1e-6, auc_loss=0.0, flips=0.0)
"""For probabilities of LightGBM and of the C that it became."""

QUANTISED: Final = Tolerance(score=float("inf"), auc_loss=0.005, flips=0.01)
"""For INT8: single scores move, the decisions must not."""


@dataclass(frozen=True)
class Difference:
    """What was measured between a reference and a candidate.

    Attributes:
        faces: How many were compared.
        max_score: Largest absolute difference of a score.
        rms_score: Root mean square difference of the scores.
        auc: The candidate's AUC by subset; of the worst column where there are several. NaN with one class.
        auc_loss: Largest loss of AUC against the reference over subsets and columns; 0 when nothing was lost.
        flips: Largest share, over columns, of faces that change sides of the threshold.
        other: Largest absolute difference of each output that is no score.
    """

    faces: int
    max_score: float
    rms_score: float
    auc: Mapping[str, float]
    auc_loss: float
    flips: float
    other: Mapping[str, float]

    def within(self, tolerance: Tolerance) -> bool:
        """Whether every figure is tolerable."""
        return (
            self.max_score <= tolerance.score
            and self.auc_loss <= tolerance.auc_loss + _ROUNDING
            and self.flips <= tolerance.flips
        )

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON types."""
        return asdict(self)


def compare(
    reference: Floats,
    candidate: Floats,
    labels: NDArray[np.int8],
    subsets: NDArray[np.str_],
    *,
    threshold: float = 0.0,
    other: Mapping[str, float] | None = None,
) -> Difference:
    """Measures how far two forms of a model differ on the same faces.

    Args:
        reference: Scores of the one, float32 `[N, K]`, higher means fake.
        candidate: Scores of the other.
        labels: 0 real, 1 fake, `[N]`.
        subsets: The subset of each face, `[N]`; AUC is compared within each.
        threshold: The score from which a face counts as fake.
        other: Differences of further outputs, to report along.
    """
    before, after = reference.astype(np.float64), candidate.astype(np.float64)
    difference = np.abs(after - before)
    auc: dict[str, float] = {}
    loss = 0.0
    for subset in np.unique(subsets):
        rows = subsets == subset
        if len(np.unique(labels[rows])) < 2:
            auc[str(subset)] = float("nan")
            continue
        old = [float(roc_auc_score(labels[rows], column)) for column in before[rows].T]
        new = [float(roc_auc_score(labels[rows], column)) for column in after[rows].T]
        auc[str(subset)] = min(new)
        loss = max(loss, *(a - b for a, b in zip(old, new, strict=True)))
    return Difference(
        faces=len(before),
        max_score=float(difference.max()),
        rms_score=float(np.sqrt((difference**2).mean())),
        auc=auc,
        auc_loss=loss,
        flips=float(((before >= threshold) != (after >= threshold)).mean(axis=0).max()),
        other=dict(other or {}),
    )


def compare_outputs(
    reference: Mapping[str, Floats],
    candidate: Mapping[str, Floats],
    labels: NDArray[np.int8],
    subsets: NDArray[np.str_],
) -> Difference:
    """Measures how far two forms of a network differ: their logits, and the rest of their outputs along.

    Args:
        reference: Output name to array, `logit` float32 `[N, K]` among them.
        candidate: The same outputs of the other form.
        labels: 0 real, 1 fake, `[N]`.
        subsets: The subset of each face, `[N]`.
    """
    other = {name: float(np.abs(candidate[name] - reference[name]).max()) for name in reference if name != "logit"}
    return compare(reference["logit"], candidate["logit"], labels, subsets, other=other)
