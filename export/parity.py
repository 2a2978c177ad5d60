"""The gate between two forms of one model: how far they differ on real faces, and whether that is tolerable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Tolerance:
    """How far two forms of a model may differ.

    Attributes:
        logit: Largest difference of a logit.
        auc_loss: Largest loss of AUC, in [0, 1], over all subsets.
        flips: Largest share of faces whose verdict changes.
    """

    logit: float
    auc_loss: float
    flips: float


EXACT: Final = Tolerance(logit=1e-3, auc_loss=1e-4, flips=0.0)
"""For a translation: PyTorch to ONNX, in-process to Triton, LightGBM to C."""

QUANTISED: Final = Tolerance(logit=float("inf"), auc_loss=0.005, flips=0.01)
"""For INT8: single logits move, the decisions must not."""


@dataclass(frozen=True)
class Difference:
    """What was measured between a reference and a candidate.

    Attributes:
        max_logit: Largest absolute difference of a logit.
        rms_logit: Root mean square difference of the logits.
        auc: The candidate's AUC by subset; the worst logit column where there are several. NaN with one class.
        auc_loss: Largest loss of AUC against the reference over subsets and columns; 0 when nothing was lost.
        flips: Largest share, over columns, of faces whose verdict (logit > 0) changes.
        other: Largest absolute difference of each output that is no logit.
    """

    max_logit: float
    rms_logit: float
    auc: Mapping[str, float]
    auc_loss: float
    flips: float
    other: Mapping[str, float]

    def within(self, tolerance: Tolerance) -> bool:
        """Whether every figure is tolerable."""
        return (
            self.max_logit <= tolerance.logit and self.auc_loss <= tolerance.auc_loss and self.flips <= tolerance.flips
        )

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON types."""
        return asdict(self)


def compare(
    reference: Mapping[str, Floats],
    candidate: Mapping[str, Floats],
    labels: NDArray[np.int8],
    subsets: NDArray[np.str_],
) -> Difference:
    """Measures how far two forms of a model differ on the same faces.

    Args:
        reference: Output name to array, `logit` float32 `[N, K]` among them.
        candidate: The same outputs of the other form.
        labels: 0 real, 1 fake, `[N]`.
        subsets: The subset of each face, `[N]`; AUC is compared within each.
    """
    before, after = reference["logit"].astype(np.float64), candidate["logit"].astype(np.float64)
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
        max_logit=float(difference.max()),
        rms_logit=float(np.sqrt((difference**2).mean())),
        auc=auc,
        auc_loss=loss,
        flips=float(((before > 0) != (after > 0)).mean(axis=0).max()),
        other={name: float(np.abs(candidate[name] - reference[name]).max()) for name in reference if name != "logit"},
    )
