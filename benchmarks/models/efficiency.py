"""What the cascade saves, and what it costs in accuracy to save it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awarenet.evaluation import metrics
from awarenet.policy import Policy
from benchmarks.models.held_out import Scores
from training.threshold_policy import error_bound


def efficiency(scores: Scores, policy: Policy) -> dict[str, Any]:
    """Who decides what under a policy, and how it compares with running every stage on every face.

    Args:
        scores: Of held-out faces, every stage run.
        policy: The thresholds.

    Returns:
        Shares in [0, 1]. `filtration` (settled by stage 1, of all, of the reals and of the fakes), `stage_2` (share
        that the heavy stages see), `meta_model` (verdicts among those; how often it takes the other side of `decide_at`
        than the fast filter, and how often rightly), `leakage` (fakes that stage 1 passes as real, with one-sided 95 %
        bounds by face and by group), `auc` (of the fast filter, of the cascade, of every stage on every face).
    """
    real, fake = scores.labels == 0, scores.labels == 1
    settled, words = scores.settled(policy), scores.words(policy)
    deferred = ~settled
    passed = scores.fast < np.float32(policy.real_below)
    before, after = scores.fast >= policy.decide_at, scores.meta >= policy.decide_at
    turned = deferred & (before != after)
    return {
        "filtration": {"all": _share(settled), "reals": _share(settled[real]), "fakes": _share(settled[fake])},
        "stage_2": _share(deferred),
        "meta_model": {
            "decides": _share(deferred),
            **{word: _share(words[deferred] == word) for word in ("real", "fake", "uncertain")},
            "overturns": _share(turned[deferred]),
            "overturns_rightly": _share((after == fake)[turned]),
        },
        "leakage": {
            "share": _share(passed[fake]),
            "upper_95_by_face": error_bound(passed[fake], scores.groups[fake], "face"),
            "upper_95_by_group": error_bound(passed[fake], scores.groups[fake], "group"),
            "fakes": int(fake.sum()),
            "groups": len(np.unique(scores.groups[fake])),
        },
        "auc": {
            "fast_filter": metrics.auc(scores.labels, scores.fast),
            "cascade": metrics.auc(scores.labels, scores.decided(policy)),
            "every_stage": metrics.auc(scores.labels, scores.meta),
        },
    }


def _share(marks: NDArray[np.bool_]) -> float | None:
    return float(marks.mean()) if len(marks) else None
