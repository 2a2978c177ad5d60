"""The starting point: an always-on ensemble in FP32 eager PyTorch, every network on every face."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awarenet.cascade import StageCall, StageOutputs, cascade, drive
from awarenet.repository import ModelRepository
from awarenet.stages import META_MODEL, NETWORKS
from awarenet.trees import CompiledTrees
from benchmarks.contender import Contender, Faces, Running


def contender(weights: Path, repository: ModelRepository) -> Contender:
    """Makes the contender; one call uses every core, as PyTorch does by itself.

    Args:
        weights: Folder with `<stage>.safetensors` and `<stage>.json` of every network.
        repository: The model repository, for the policy and the trees.
    """

    @contextmanager
    def opened() -> Iterator[Running]:
        import torch  # here, because everything else in the benchmark runs without it

        from training.networks import load

        torch.set_num_threads(os.cpu_count() or 1)
        networks = {stage: load(weights / stage.name) for stage in NETWORKS}
        trees = CompiledTrees(repository.model_path(META_MODEL))

        def run(call: StageCall) -> tuple[StageOutputs, ...]:
            faces = torch.from_numpy(call.faces)
            outputs = [networks[stage](faces) for stage in call.stages]
            return tuple({name: value.numpy() for name, value in output.items()} for output in outputs)

        def score(faces: Faces) -> NDArray[np.float32]:
            unknown, every = np.full(len(faces), np.nan, np.float32), np.ones(len(faces), np.bool_)
            with torch.inference_mode():
                return drive(cascade(faces, unknown, every, repository.policy, trees.predict), run).probability

        yield Running(lambda: score)

    return Contender("eager_ensemble", "always-on FP32 ensemble in eager PyTorch", opened, same_cascade=False)


def missing(weights: Path | None) -> str | None:
    """Why the contender cannot run here, in words; None where it can."""
    if weights is None:
        return "no folder with FP32 weights was given (--weights)"
    absent = [stage.name for stage in NETWORKS if not (weights / f"{stage.name}.safetensors").is_file()]
    if absent:
        return f"{weights} has no FP32 weights of {', '.join(absent)}"
    try:
        import torch  # noqa: F401
    except ImportError:
        return "PyTorch is not installed"
    return None
