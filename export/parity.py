"""The gates: every step from the trained network to the served cascade, held to a stated tolerance on real faces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from awarenet.cascade import Decide, Decisions, StageCall, StageOutputs, cascade, drive
from awarenet.policy import Policy
from awarenet.stages import FEATURES, Stage
from awarenet.trees import CompiledTrees
from export.difference import COMPILED, Difference, Floats, Tolerance, compare, compare_outputs
from export.inference import Outputs
from export.samples import Samples

_TORCH_BATCH: Final = 8
_EDGE: Final = 1e-7  # Keeps the logit of a probability finite.


@dataclass(frozen=True)
class Gate:
    """One step and whether it may be passed.

    Attributes:
        step: What was compared, in words.
        difference: What was measured.
        tolerance: What is allowed.
    """

    step: str
    difference: Difference
    tolerance: Tolerance

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference.within(self.tolerance)

    def to_dict(self) -> dict[str, Any]:
        """The gate as JSON types."""
        allowed = {name: value if np.isfinite(value) else None for name, value in asdict(self.tolerance).items()}
        return {"step": self.step, "passed": self.passed, "tolerance": allowed, **self.difference.to_dict()}


def network_gate(step: str, reference: Outputs, candidate: Outputs, samples: Samples, tolerance: Tolerance) -> Gate:
    """Two forms of one network, by their outputs.

    Args:
        step: What is compared, in words.
        reference: Outputs of the one form for `samples`.
        candidate: Outputs of the other.
        samples: The faces.
        tolerance: What is allowed.
    """
    return Gate(step, compare_outputs(reference, candidate, samples.labels, samples.subsets), tolerance)


def trees_gate(text: Path, source: Path, features: Floats, samples: Samples) -> Gate:
    """LightGBM against the compiled trees, on the cascade's own features and on rows with holes.

    Args:
        text: The LightGBM model.
        source: `trees.c`.
        features: Features of `samples`, float32 `[N, F]`.
        samples: The faces that the features are of.
    """
    holes = features.copy()
    holes[np.random.default_rng(0).random(holes.shape) < 1 / len(FEATURES)] = np.nan
    rows = np.concatenate([features, holes])
    difference = compare(
        np.asarray(lightgbm.Booster(model_file=str(text)).predict(rows, num_threads=1), np.float32)[:, None],
        CompiledTrees(source).predict(rows)[:, None],
        np.tile(samples.labels, 2),
        np.concatenate([samples.subsets, np.char.add(samples.subsets, " with holes")]),
        threshold=0.5,
    )
    return Gate("meta_model: LightGBM, C", difference, COMPILED)


def cascade_gate(
    step: str, reference: Decisions, candidate: Decisions, decide_at: float, samples: Samples, tolerance: Tolerance
) -> Gate:
    """Two cascades, by their decisions.

    Args:
        step: What is compared, in words.
        reference: Decisions of the one for `samples`.
        candidate: Decisions of the other.
        decide_at: P(fake) from which the verdict is fake.
        samples: The faces.
        tolerance: What is allowed of the logits of P(fake), and of verdicts.
    """
    difference = compare(
        _logit(reference.probability)[:, None],
        _logit(candidate.probability)[:, None],
        samples.labels,
        samples.subsets,
        threshold=float(_logit(np.array([decide_at]))[0]),
        other=_cascade_differences(reference, candidate),
    )
    return Gate(step, difference, tolerance)


def run_cascade(
    outputs: Mapping[Stage, Outputs], faces: NDArray[np.uint8], policy: Policy, decide: Decide, *, full: bool = False
) -> Decisions:
    """The cascade over stages that have run already.

    Args:
        outputs: What each stage said about every face.
        faces: uint8 `[N, 256, 256, 3]`.
        policy: The thresholds.
        decide: The meta-model.
        full: Whether every face goes through every stage.
    """
    count = len(faces)
    unknown = np.full(count, np.nan, np.float32)

    def run(call: StageCall) -> tuple[StageOutputs, ...]:
        return tuple({name: array[call.rows] for name, array in outputs[stage].items()} for stage in call.stages)

    return drive(cascade(faces, unknown, np.full(count, full), policy, decide), run)


def run_torch(stem: Path, faces: NDArray[np.uint8]) -> Outputs:
    """The outputs of a trained stage in PyTorch, eager, for all faces."""
    import torch

    from training.networks import load

    network = load(stem)
    parts: list[dict[str, Any]] = []
    with torch.inference_mode():
        for start in range(0, len(faces), _TORCH_BATCH):
            parts.append(network(torch.from_numpy(faces[start : start + _TORCH_BATCH])))
    return {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}


def table(gates: Iterable[Gate]) -> Table:
    """The gates as a table for people."""
    result = Table("step", "faces", "largest", "RMS", "AUC loss", "flips", "worst AUC", "")
    for gate in gates:
        difference = gate.difference
        known = [value for value in difference.auc.values() if np.isfinite(value)]
        result.add_row(
            gate.step,
            str(difference.faces),
            f"{difference.max_score:.2g}",
            f"{difference.rms_score:.2g}",
            f"{difference.auc_loss:.4f}",
            f"{difference.flips:.2%}",
            f"{min(known):.4f}" if known else "-",
            "passed" if gate.passed else "[bold red]over the tolerance[/]",
        )
    return result


def _logit(probability: NDArray[Any]) -> Floats:
    inner = np.clip(probability.astype(np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inner / (1 - inner)), np.float32)


def _cascade_differences(before: Decisions, after: Decisions) -> dict[str, float]:
    both = np.isfinite(before.evidence) & np.isfinite(after.evidence)
    evidence = np.abs(np.where(both, after.evidence - before.evidence, 0))
    return {
        "probability": float(np.abs(after.probability - before.probability).max()),
        "other_exits": float((before.exit_stage != after.exit_stage).mean()),
        **{name: float(column.max()) for name, column in zip(FEATURES, evidence.T, strict=True)},
    }
