"""The gates: every step from the trained network to the served cascade, held to a stated tolerance on real faces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from awarenet.cascade import Decisions
from awarenet.runtime import Runtime
from awarenet.stages import FEATURES, Stage
from awarenet.trees import CompiledTrees
from export.difference import (
    COMPILED,
    QUANTISED,
    TRANSLATED,
    Difference,
    Floats,
    Tolerance,
    compare,
    compare_outputs,
)
from export.inference import Outputs, run_graph
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


def onnx_gate(stem: Path, graph: Path, stage: Stage, samples: Samples) -> Gate:
    """PyTorch against its ONNX graph.

    Args:
        stem: The trained stage, for `training.networks.load`.
        graph: The FP32 graph.
        stage: The stage.
        samples: Faces to compare on.
    """
    reference, candidate = run_torch(stem, samples.faces), run_graph(graph, samples.faces)
    difference = compare_outputs(reference, candidate, samples.labels, samples.subsets)
    return Gate(f"{stage.name}: PyTorch, ONNX", difference, TRANSLATED)


def int8_gate(graph: Path, quantised: Path, stage: Stage, samples: Samples) -> Gate:
    """The FP32 graph against the INT8 graph."""
    reference, candidate = run_graph(graph, samples.faces), run_graph(quantised, samples.faces)
    difference = compare_outputs(reference, candidate, samples.labels, samples.subsets)
    return Gate(f"{stage.name}: ONNX, INT8", difference, QUANTISED)


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


def cascade_gate(step: str, reference: Runtime, candidate: Runtime, samples: Samples, tolerance: Tolerance) -> Gate:
    """Two runtimes against each other, by the cascade route, at the reference's verdict threshold.

    Args:
        step: What is compared, in words.
        reference: The one runtime.
        candidate: The other.
        samples: Faces to compare on.
        tolerance: What is allowed.
    """
    before, after = reference.score(samples.faces), candidate.score(samples.faces)
    decide_at = np.array([reference.policy.decide_at])
    difference = compare(
        _logit(before.probability)[:, None],
        _logit(after.probability)[:, None],
        samples.labels,
        samples.subsets,
        threshold=float(_logit(decide_at)[0]),
        other=_cascade_differences(before, after),
    )
    return Gate(step, difference, tolerance)


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
