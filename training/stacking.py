"""The meta-model: few small trees on calibrated logits, the reconstruction residual and quality features.

Trees may bend what the stages say, never turn it round: they are constrained to rise with every logit. Every figure of
the meta-model on the people that it was fitted on is out of fold by group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from awarenet.cascade import sigmoid
from awarenet.errors import DataError
from awarenet.evaluation import metrics
from awarenet.stages import FEATURES
from training.logits import LOGITS

TREES_FILE: Final = "trees.txt"
STACKING_FILE: Final = "stacking.json"

Floats = NDArray[np.float32]

# Left at LightGBM's defaults on purpose: zero_as_missing (false) and linear_tree (false), which the compiler of the
# trees gets wrong.
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "binary",
    "num_leaves": 4,
    "learning_rate": 0.1,
    "min_data_in_leaf": 160,
    "lambda_l2": 8.0,
    "monotone_constraints": [int(name in LOGITS) for name in FEATURES],
    "monotone_constraints_method": "intermediate",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}

MAX_TREES: Final = 100
_PATIENCE = 15

COPIES: Final = 8
"""How often the trees meet each row, every time with other noise on its logits; `PARAMETERS` count copies."""

NOISE: Final = 0.1
"""Standard deviation of that noise as a share of the logit's own.

Rounding to INT8 and another decoder of the same picture move a logit by about as much. Trees are steps; with noise they
put many small steps where they would put one high one, so that a probability does not hang on such a difference.
"""


@dataclass(frozen=True)
class Stack:
    """A fitted meta-model.

    Attributes:
        booster: The trees.
        fold_boosters: The trees that did not see each fold.
        out_of_fold: P(fake) of each row that it was fitted on, from trees that did not see the row's group,
            float32 `[N]`.
        fold: Fold of each row, int64 `[N]`.
        seed: Of the folds.
    """

    booster: lightgbm.Booster
    fold_boosters: tuple[lightgbm.Booster, ...]
    out_of_fold: Floats
    fold: NDArray[np.int64]
    seed: int


def group_folds(groups: Iterable[str], count: int, *, seed: int) -> dict[str, int]:
    """Deals groups into folds of nearly equal numbers of groups, by hash: the order of rows does not matter.

    Raises:
        DataError: There are fewer groups than folds, or fewer than two folds.
    """
    names = sorted({*groups}, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
    if not 2 <= count <= len(names):
        raise DataError(f"folds: {count} folds need at least 2 and at most as many groups, got {len(names)} groups")
    return {group: rank % count for rank, group in enumerate(names)}


def feature_matrix(table: pd.DataFrame) -> Floats:
    """The meta-model's input in the order of `awarenet.stages.FEATURES`, float32 `[N, F]`.

    Raises:
        DataError: A column is missing, or a value other than `face_px` is not finite.
    """
    if missing := [name for name in FEATURES if name not in table.columns]:
        raise DataError(f"stacking: the table lacks {', '.join(missing)}; make it with `python -m training logits`")
    matrix: Floats = table[list(FEATURES)].to_numpy(np.float32)
    known = [index for index, name in enumerate(FEATURES) if name != "face_px"]
    if not np.isfinite(matrix[:, known]).all():
        raise DataError("stacking: a feature other than face_px is not finite; check the stages")
    return matrix


def fit(table: pd.DataFrame, *, folds: int = 5, seed: int = 0, hide: float = 0.2) -> Stack:
    """Fits the meta-model and scores its own people out of fold.

    The number of trees is chosen by group folds inside whatever rows are fitted on, so that no out-of-fold score has
    seen its own group, not even through early stopping.

    Args:
        table: Calibrated rows: `label`, `group` and `FEATURES`.
        folds: Group folds.
        seed: Of folds, of trees and of what is hidden.
        hide: Share of rows whose `face_px` is hidden while fitting: callers may not know it, and trees that never met
            a missing value take it for zero.

    Raises:
        DataError: A class is missing, or there are fewer groups than folds.
    """
    label = table["label"].to_numpy(np.int64)
    if {*label.tolist()} != {0, 1}:
        raise DataError("stacking: needs reals (0) and fakes (1); give a split that holds both")
    groups = table["group"].to_numpy(str)
    matrix = feature_matrix(table)
    hidden = matrix.copy()
    hidden[np.random.default_rng(seed).random(len(hidden)) < hide, FEATURES.index("face_px")] = np.nan

    dealt = group_folds(groups, folds, seed=seed)
    fold = np.array([dealt[group] for group in groups], np.int64)
    parts = [fold != held for held in range(folds)]
    boosters = tuple(_fit(hidden[part], label[part], groups[part], folds, seed) for part in parts)
    return Stack(
        _fit(hidden, label, groups, folds, seed), boosters, predict_by_fold(boosters, matrix, fold), fold, seed
    )


def predict_by_fold(boosters: Sequence[lightgbm.Booster], matrix: Floats, fold: NDArray[np.int64]) -> Floats:
    """P(fake) of each row from the trees that did not see its fold, float32 `[N]`."""
    scores = np.empty(len(matrix), np.float32)
    for held, booster in enumerate(boosters):
        if (fold == held).any():
            scores[fold == held] = predict(booster, matrix[fold == held])
    return scores


def predict(booster: lightgbm.Booster, matrix: Floats) -> Floats:
    """P(fake) of feature rows, float32 `[N]`."""
    return np.asarray(booster.predict(matrix, num_threads=1), np.float32)


def save(booster: lightgbm.Booster, path: Path) -> None:
    """Writes the trees as LightGBM text.

    Raises:
        DataError: The file cannot be written.
    """
    try:
        path.write_text(booster.model_to_string(), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error}); name a writable folder") from error


def load(path: Path) -> lightgbm.Booster:
    """Reads trees that `save` wrote.

    Raises:
        DataError: They are not there or no LightGBM text.
    """
    try:
        return lightgbm.Booster(model_str=path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, lightgbm.basic.LightGBMError) as error:
        raise DataError(f"{path}: no LightGBM model ({error}); run `python -m training stack`") from error


def mean_of_logits(table: pd.DataFrame) -> Floats:
    """The plainest ensemble: sigmoid of the mean calibrated logit, each network counting once, float32 `[N]`."""
    branches = table[["genconvit_autoencoder_logit", "genconvit_variational_logit"]].mean(axis=1)
    mean = (table["fast_filter_logit"] + table["efficientnet_logit"] + branches) / 3
    return sigmoid(mean.to_numpy(np.float32))


def compare(table: pd.DataFrame, meta: Floats) -> dict[str, Any]:
    """AUC, with its interval by group, of the meta-model, each logit alone, and the plain mean of logits.

    `meta_minus_mean` is the paired difference of the meta-model and the mean: the stack is worth having where its
    interval lies above zero.

    Args:
        table: Calibrated rows.
        meta: P(fake) of the meta-model for them, out of fold or on other people.
    """
    label, group = table["label"].to_numpy(), table["group"].to_numpy()
    mean = mean_of_logits(table)
    candidates = {"meta_model": meta, "mean_of_logits": mean, **{name: table[name].to_numpy() for name in LOGITS}}
    result: dict[str, Any] = {"faces": len(label), "groups": len(np.unique(group))}
    for name, score in candidates.items():
        low, high = metrics.bootstrap_interval(metrics.auc, label, score, group, resamples=500)
        result[name] = {"auc": metrics.auc(label, score), "auc_low": low, "auc_high": high}
    rows = np.arange(len(label))  # the bootstrap hands row numbers through, so that both scores share each draw

    def difference(labels: Any, numbers: Any, weights: Any) -> float:
        index = numbers.astype(np.int64)
        return metrics.auc(labels, meta[index], weights) - metrics.auc(labels, mean[index], weights)

    low, high = metrics.bootstrap_interval(difference, label, rows, group, resamples=500)
    point = result["meta_model"]["auc"] - result["mean_of_logits"]["auc"]
    result["meta_minus_mean"] = {"auc": point, "auc_low": low, "auc_high": high, "better": bool(low > 0)}
    return result


def _fit(matrix: Floats, label: NDArray[np.int64], groups: NDArray[np.str_], folds: int, seed: int) -> lightgbm.Booster:
    """Trees for these rows, their number chosen by group folds of these rows."""
    parameters = {**PARAMETERS, "seed": seed}
    matrix, label, groups = _noisy(matrix, seed), np.repeat(label, COPIES), np.repeat(groups, COPIES)
    names = {name: index for index, name in enumerate(sorted({*groups.tolist()}))}
    dealt = group_folds(names, min(folds, len(names)), seed=seed + 1)
    fold = np.array([dealt[group] for group in groups])
    parts = [(np.flatnonzero(fold != held), np.flatnonzero(fold == held)) for held in range(fold.max() + 1)]
    data = lightgbm.Dataset(matrix, label, feature_name=list(FEATURES), free_raw_data=False)
    history = lightgbm.cv(
        parameters,
        data,
        num_boost_round=MAX_TREES,
        folds=parts,
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
    )
    losses = history["valid binary_logloss-mean"]
    assert isinstance(losses, list)
    fresh = lightgbm.Dataset(matrix, label, feature_name=list(FEATURES))
    return lightgbm.train(parameters, fresh, num_boost_round=len(losses))


def _noisy(matrix: Floats, seed: int) -> Floats:
    """Every row `COPIES` times in a row, with noise on the logits, float32 `[COPIES N, F]`."""
    columns = [FEATURES.index(name) for name in LOGITS]
    copies = np.repeat(matrix, COPIES, axis=0)
    noise = np.random.default_rng(seed).standard_normal((len(copies), len(columns)), np.float32)
    copies[:, columns] += noise * np.float32(NOISE) * matrix[:, columns].std(axis=0)
    return copies
