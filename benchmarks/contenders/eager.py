"""The starting point: an always-on ensemble in FP32 eager PyTorch, every network on every face."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awarenet.cascade import StageCall, StageOutputs, cascade, drive
from awarenet.repository import ModelRepository
from awarenet.stages import META_MODEL, NETWORKS
from awarenet.trees import CompiledTrees
from benchmarks.contender import Contender, Faces, Running


def contender(training: Path, repository: ModelRepository) -> Contender:
    """Makes the contender; one call uses every core, as PyTorch does by itself.

    Args:
        training: A training run. Where it lacks `<stage>.safetensors`, networks of the default configuration with
            random weights stand in: they take the same time, and their answers are used for nothing.
        repository: The model repository, for the policy and the trees.
    """
    trained = all((training / f"{stage.name}.safetensors").is_file() for stage in NETWORKS)

    @contextmanager
    def opened() -> Iterator[Running]:
        import torch  # here, because everything else in the benchmark runs without it

        from training.networks import create, load

        torch.set_num_threads(os.cpu_count() or 1)
        networks = {
            stage: load(training / stage.name) if trained else create(stage.name, pretrained="never").eval()
            for stage in NETWORKS
        }
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

    which = f"weights of {training}" if trained else f"random weights, as {training} has no trained ones"
    return Contender(
        "eager_ensemble", f"always-on FP32 ensemble in eager PyTorch ({which})", opened, same_cascade=False
    )


def missing() -> str | None:
    """Why the contender cannot run here, in words; None where it can."""
    absent = [name for name in ("torch", "torchvision", "timm", "safetensors") if find_spec(name) is None]
    return f"{', '.join(absent)} not installed; install the extra `train`" if absent else None
