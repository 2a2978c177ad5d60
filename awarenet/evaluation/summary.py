"""From a score table to figures: per subset, per method, per pair of subsets, and pooled.

The figures that count are those within one subset, where reals and fakes come from one source. Scores pooled over
sources also measure how well the sources can be told apart, so the pool is kept apart and marked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from awarenet.evaluation import metrics
from awarenet.policy import Policy
from awarenet.stages import ExitStage

POOL_NOTE = (
    "Pooled over subsets: part of this figure is how well the sources can be told apart. Judge by the subsets instead."
)

RESAMPLES = 1000
"""Draws of the bootstrap behind every interval."""

AGAINST = " against reals of "
"""Stands between the fakes and the reals in the name of a pair."""


def settled_real(scores: pd.DataFrame, policy: Policy) -> pd.Series:
    """Whether the fast filter settles every face of a file as real; False without a face."""
    return scores["fast_filter"] < np.float32(policy.real_below)


def summarise(
    scores: pd.DataFrame, policy: Policy, *, reals: Sequence[str] = (), resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Every figure of the report.

    Args:
        scores: The score table: `path`, `label`, `subset`, `method`, `group`, `probability`, `verdict`, `exit_stage`,
            `fast_filter`, `error_code`.
        policy: The thresholds in force.
        reals: Subsets whose reals stand in for subsets that have fakes alone.
        resamples: Draws of the bootstrap.

    Returns:
        `subsets`, `methods`, `pairs`, `pooled` as plain containers; what does not exist is None.
    """
    subsets = {name: _figures(rows, policy, resamples) for name, rows in scores.groupby("subset", sort=True)}
    joined = {
        name: _figures(rows, policy, resamples) | {"reals_from": list(reals)}
        for name, rows in pair_up(scores, reals).items()
    }
    pooled = _figures(scores, policy, resamples) | {"pooled": True, "note": POOL_NOTE}
    return {
        "subsets": subsets,
        "methods": _methods(scores, policy, resamples),
        "pairs": joined,
        "pooled": pooled,
    }


def pair_up(scores: pd.DataFrame, reals: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Joins each subset of fakes alone with the reals of other subsets, under a name that says so.

    Args:
        scores: The score table.
        reals: Subsets whose reals are borrowed; nothing is joined when empty.
    """
    if not reals:
        return {}
    borrowed = scores[scores["subset"].isin(list(reals)) & (scores["label"] == 0)]
    source = " + ".join(reals)
    pairs = {}
    for name, rows in scores.groupby("subset", sort=True):
        if (rows["label"] == 1).all():
            pairs[f"{name}{AGAINST}{source}"] = pd.concat([rows, borrowed])
            methods = sorted(set(rows["method"]))
            for method in methods if len(methods) > 1 else ():
                fakes = rows[rows["method"] == method]
                pairs[f"{name}: {method}{AGAINST}{source}"] = pd.concat([fakes, borrowed])
    return pairs


def _methods(scores: pd.DataFrame, policy: Policy, resamples: int) -> dict[str, Any]:
    """Each method of forgery against the reals of its own subset."""
    fakes = scores[scores["label"] == 1]
    subsets_of = fakes.groupby("method")["subset"].nunique()
    result = {}
    for (subset, method), rows in fakes.groupby(["subset", "method"], sort=True):
        name = str(method) or "unnamed"
        # A method that occurs in several subsets has several results; none of them may overwrite another.
        name = f"{subset}: {name}" if subsets_of[method] > 1 else name
        same_source = scores[(scores["subset"] == subset) & (scores["label"] == 0)]
        figures = _figures(pd.concat([rows, same_source]), policy, resamples)
        result[name] = {"subset": subset, "method": method} | figures
    return result


def _figures(rows: pd.DataFrame, policy: Policy, resamples: int) -> dict[str, Any]:
    failed = rows["error_code"] != ""
    no_face = rows["verdict"] == "no_face"
    scored = rows[rows["probability"].notna()]
    label, probability = scored["label"].to_numpy(), scored["probability"].to_numpy(np.float64)
    low, high = metrics.bootstrap_interval(metrics.auc, label, probability, scored["group"], resamples=resamples)
    leak = metrics.leakage(label, settled_real(scored, policy))
    real, fake = scored[scored["label"] == 0], scored[scored["label"] == 1]
    figures = {
        "n": len(rows),
        "n_fake": int(rows["label"].sum()),
        "n_real": int((rows["label"] == 0).sum()),
        "n_groups": int(rows["group"].nunique()),
        "n_scored": len(scored),
        "n_scored_fake": len(fake),
        "n_scored_real": len(real),
        "n_failed": int(failed.sum()),
        "n_no_face": int(no_face.sum()),
        "no_face_rate": _share(int(no_face.sum()), len(rows) - int(failed.sum())),
        "auc": metrics.auc(label, probability),
        "auc_low": low,
        "auc_high": high,
        "auc_reason": _why_no_auc(len(real), len(fake)),
        "eer": metrics.eer(label, probability),
        "ap": metrics.average_precision(label, probability),
        "tpr_at_fpr_1": metrics.tpr_at_fpr(label, probability),
        "ece": metrics.expected_calibration_error(label, probability),
        "brier": metrics.brier(label, probability),
        "false_positive_rate": _share(int((real["probability"] >= policy.decide_at).sum()), len(real)),
        "false_negative_rate": _share(int((fake["probability"] < policy.decide_at).sum()), len(fake)),
        "exit_shares": {
            stage.name.lower(): _share(int((scored["exit_stage"] == stage).sum()), len(scored)) for stage in ExitStage
        },
        "reals_settled": _share(int(settled_real(real, policy).sum()), len(real)),
        "leakage": leak.share,
        "leakage_upper_95": leak.upper_95 if leak.fakes else math.nan,
        "leaked": leak.leaked,
        "verdicts": {
            name: {
                str(word): int(count) for word, count in part["verdict"].replace("", "failed").value_counts().items()
            }
            for name, part in (("real", rows[rows["label"] == 0]), ("fake", rows[rows["label"] == 1]))
        },
    }
    return {name: _plain(value) for name, value in figures.items()}


def _why_no_auc(real: int, fake: int) -> str | None:
    if real and fake:
        return None
    found = "no scored file" if not real and not fake else ("only reals" if real else "only fakes")
    return f"{found}: an AUC needs both classes"


def _share(count: int, total: int) -> float:
    return count / total if total else math.nan


def _plain(value: Any) -> Any:
    """Figures that do not exist become None, as JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
