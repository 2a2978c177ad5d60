"""How verdicts, errors and deferral move with each threshold of the policy, the others staying where they are."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np

from awarenet.policy import Policy
from benchmarks.models.held_out import Scores

POINTS: Final = 41

WORDS: Final = ("real", "uncertain", "fake")


def sweep(scores: Scores, policy: Policy, *, points: int = POINTS) -> dict[str, list[dict[str, float | None]]]:
    """Moves every threshold over the range that the order of the thresholds allows.

    Args:
        scores: Of held-out faces, every stage run.
        policy: The thresholds in force; each curve has a point there.
        points: Points of a curve besides.

    Returns:
        By threshold, rows in rising order: `value`; shares of all faces with each verdict; `error`, the share of wrong
        verdicts among those that are not `uncertain`, None where all are; `deferred`; `leakage`, the share of fakes
        that stage 1 passes as real.
    """
    ranges = {
        "real_below": (0.0, policy.decide_at),
        "fake_above": (policy.decide_at, 1.0),
        "decide_at": (policy.real_below, policy.fake_above),
        "uncertain_margin": (0.0, max(policy.decide_at, 1 - policy.decide_at)),
    }
    return {
        name: [
            {"value": value, **shares(scores, dataclasses.replace(policy, **{name: value}))}
            for value in sorted({*np.linspace(low, high, points).tolist(), getattr(policy, name)})
        ]
        for name, (low, high) in ranges.items()
    }


def shares(scores: Scores, policy: Policy) -> dict[str, Any]:
    """The figures of one policy; see `sweep`."""
    words, fake = scores.words(policy), scores.labels == 1
    certain = words != "uncertain"
    wrong = (words == "fake") != fake
    passed = scores.fast < np.float32(policy.real_below)
    return {
        **{word: float((words == word).mean()) for word in WORDS},
        "error": float(wrong[certain].mean()) if certain.any() else None,
        "deferred": float((~scores.settled(policy)).mean()),
        "leakage": float(passed[fake].mean()) if fake.any() else None,
    }
