"""People on whom no stage was trained, each face beside a forgery of it, and what a cascade says about them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from awarenet.cascade import sigmoid
from awarenet.errors import DataError
from awarenet.policy import Policy
from awarenet.stages import FEATURES, ExitStage

SPLIT: Final = "validation"
SEED: Final = 23

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class HeldOut:
    """Labelled faces, each real one before its forgery, degraded alike.

    Attributes:
        faces: uint8 `[N, 256, 256, 3]`, RGB.
        labels: 0 real, 1 fake, int8 `[N]`.
        subsets: Where the real face comes from, `[N]`.
        methods: Kind of forgery, `photo` for the real ones, `[N]`.
        groups: The person, `[N]`.
        trained_on: Subsets whose faces the stages were trained on.
    """

    faces: NDArray[np.uint8]
    labels: NDArray[np.int8]
    subsets: NDArray[np.str_]
    methods: NDArray[np.str_]
    groups: NDArray[np.str_]
    trained_on: tuple[str, ...]

    @classmethod
    def of(cls, crops: Path, count: int) -> HeldOut:
        """About so many faces of the validation people of a crop cache, the same on every call.

        Raises:
            DataError: The folder is no crop cache, or holds no real faces for validation.
        """
        from training.crops import CropCache
        from training.loader import validation_pairs

        cache = CropCache.open(crops)
        rows = cache.rows(SPLIT, 0)
        if not len(rows):
            raise DataError(f"{crops} has no real faces in its split {SPLIT}; give another crop cache")
        rows = rows[np.linspace(0, len(rows) - 1, max(1, min(len(rows), count // 2))).round().astype(np.int64)]
        pairs = list(validation_pairs(cache, rows, draws=max(1, count // (2 * len(rows))), seed=SEED))
        columns = {
            name: np.repeat(cache.table[name].iloc[[row for row, _ in pairs]].to_numpy(str), 2)
            for name in ("subset", "group")
        }
        trained = cache.table["subset"].iloc[cache.rows("train")]
        return cls(
            np.stack([face for _, pair in pairs for face in (pair.real, pair.fake)]),
            np.tile(np.array([0, 1], np.int8), len(pairs)),
            columns["subset"],
            np.array([word for _, pair in pairs for word in ("photo", pair.kind)]),
            columns["group"],
            tuple(sorted({str(name) for name in trained})),
        )

    @property
    def sha256(self) -> str:
        """Of the faces and their labels: runs on other faces cannot be compared."""
        return hashlib.sha256(self.faces.tobytes() + self.labels.tobytes()).hexdigest()


@dataclass(frozen=True)
class Scores:
    """What one form says about held-out faces when every stage runs.

    Attributes:
        labels: 0 real, 1 fake, int8 `[N]`.
        groups: The person, `[N]`.
        meta: P(fake) of the meta-model, float32 `[N]`.
        evidence: float32 `[N, F]`, columns as `awarenet.stages.FEATURES`.
    """

    labels: NDArray[np.int8]
    groups: NDArray[np.str_]
    meta: Floats
    evidence: Floats

    @property
    def fast(self) -> Floats:
        """P(fake) of the fast filter, float32 `[N]`."""
        return sigmoid(self.evidence[:, FEATURES.index("fast_filter_logit")])

    def settled(self, policy: Policy) -> NDArray[np.bool_]:
        """Whether the fast filter decides alone, `[N]`; compared as the cascade compares."""
        return np.asarray((self.fast < policy.real_below) | (self.fast > policy.fake_above), np.bool_)

    def decided(self, policy: Policy) -> Floats:
        """P(fake) of the cascade, float32 `[N]`: of the fast filter where it decides alone, else of the meta-model."""
        return np.where(self.settled(policy), self.fast, self.meta)

    def words(self, policy: Policy) -> NDArray[np.str_]:
        """The verdicts, `[N]`."""
        return np.array([policy.word(float(value)) for value in self.decided(policy)])

    def table(self, held_out: HeldOut, policy: Policy) -> pd.DataFrame:
        """One row a face, with the columns that `awarenet.evaluation` reads."""
        content: dict[str, Any] = {
            "label": held_out.labels.astype(np.int64),
            "subset": held_out.subsets,
            "method": held_out.methods,
            "group": held_out.groups,
            "probability": self.decided(policy).astype(np.float64),
            "verdict": self.words(policy),
            "exit_stage": np.where(self.settled(policy), ExitStage.FAST_FILTER, ExitStage.META_MODEL),
            "fast_filter": self.fast,
            "error_code": "",
        }
        return pd.DataFrame(content)
