"""The conditional cascade itself: pure, and the only place where it is written.

`cascade` is a generator that asks for stage runs and receives their outputs; it never runs a model. Whoever drives it
decides how stages run: in-process (`awarenet.runtime.inprocess`), inside Triton by BLS (`model_repository/cascade`),
or a fake in a test. All of them therefore make the same decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from awarenet.policy import Policy
from awarenet.quality import compression, sharpness
from awarenet.stages import EFFICIENTNET, FAST_FILTER, FEATURES, GENCONVIT, ExitStage, Stage

Faces = NDArray[np.uint8]
Floats = NDArray[np.float32]
StageOutputs = Mapping[str, Floats]
Decide = Callable[[Floats], Floats]


@dataclass(frozen=True)
class StageCall:
    """A request of the cascade to its driver: run these stages on these faces, at once where possible.

    Attributes:
        stages: The stages to run, all on the same faces.
        rows: Row numbers of the faces in the batch that the cascade was given, int64 `[M]`, M >= 1, ascending.
        faces: The faces themselves, uint8 `[M, 256, 256, 3]`.
    """

    stages: tuple[Stage, ...]
    rows: NDArray[np.int64]
    faces: Faces


@dataclass(frozen=True)
class Decisions:
    """What the cascade decided, one row a face, in the order of the input.

    Attributes:
        probability: P(fake), float32 `[N]`.
        exit_stage: `ExitStage` values, int32 `[N]`.
        evidence: float32 `[N, F]`, columns as `awarenet.stages.FEATURES`; NaN where a stage did not run.
    """

    probability: Floats
    exit_stage: NDArray[np.int32]
    evidence: Floats


CascadeSteps = Generator[StageCall, tuple[StageOutputs, ...], Decisions]


def sigmoid(logit: Floats) -> Floats:
    """The logistic function in float32, without overflow for large negative logits."""
    logit = np.asarray(logit, np.float32)
    small = np.exp(-np.abs(logit))
    return np.where(logit >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)


def cascade(faces: Faces, face_px: Floats, full: NDArray[np.bool_], policy: Policy, decide: Decide) -> CascadeSteps:
    """Decides a batch of faces, asking for the heavy stages only where the fast filter is in doubt.

    Args:
        faces: uint8 `[N, 256, 256, 3]`, RGB; N may be 0.
        face_px: Side of each crop in source pixels, float32 `[N]`; NaN where unknown.
        full: bool `[N]`; True sends the face through every stage whatever the fast filter says.
        policy: The thresholds.
        decide: The meta-model: float32 features `[M, F]` to P(fake) float32 `[M]`.

    Yields:
        `StageCall`s. The driver sends back one mapping of output name to array for each stage, in order.

    Returns:
        The decisions (as the generator's return value).
    """
    count = len(faces)
    evidence = np.full((count, len(FEATURES)), np.nan, np.float32)
    probability = np.empty(count, np.float32)
    exit_stage = np.full(count, ExitStage.FAST_FILTER, np.int32)
    if count == 0:
        return Decisions(probability, exit_stage, evidence)

    (fast,) = yield StageCall((FAST_FILTER,), np.arange(count), faces)
    evidence[:, FEATURES.index("fast_filter_logit")] = fast["logit"][:, 0]
    probability[:] = sigmoid(fast["logit"][:, 0])
    sure = (probability < policy.real_below) | (probability > policy.fake_above)
    rows = np.flatnonzero(~sure | full)
    if len(rows):
        deferred = faces if len(rows) == count else faces[rows]
        efficientnet, genconvit = yield StageCall((EFFICIENTNET, GENCONVIT), rows, deferred)
        features = evidence[rows]
        for name, column in (
            ("efficientnet_logit", efficientnet["logit"][:, 0]),
            ("genconvit_autoencoder_logit", genconvit["logit"][:, 0]),
            ("genconvit_variational_logit", genconvit["logit"][:, 1]),
            ("genconvit_residual", genconvit["residual"][:, 0]),
            ("sharpness", sharpness(deferred)),
            ("compression", compression(deferred)),
            ("face_px", face_px[rows]),
        ):
            features[:, FEATURES.index(name)] = column
        evidence[rows] = features
        probability[rows] = decide(features)
        exit_stage[rows] = ExitStage.META_MODEL
    return Decisions(probability, exit_stage, evidence)


def drive(steps: CascadeSteps, run: Callable[[StageCall], tuple[StageOutputs, ...]]) -> Decisions:
    """Runs a cascade to its end with a synchronous stage runner."""
    try:
        call = next(steps)
        while True:
            call = steps.send(run(call))
    except StopIteration as end:
        decisions: Decisions = end.value
        return decisions
