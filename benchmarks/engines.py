"""`python -m benchmarks engines`: an engine of the in-process runtime and ONNX Runtime on the processor, in turns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from awarenet.repository import ModelRepository
from awarenet.runtime.engines import ENGINES, EngineName
from awarenet.stages import NETWORKS
from benchmarks import machine
from benchmarks.turns import in_turns
from benchmarks.workload import sample_faces

_FEWEST_ROUNDS: Final = 5
_FACES: Final = 16


def measure(repository: Path, engine: EngineName, *, threads: int, seconds: float) -> dict[str, Any]:
    """Runs every stage by both engines, one face at a time, in turns.

    Args:
        repository: The models.
        engine: What is compared with the engine `cpu`.
        threads: Processor threads of each.
        seconds: Time for measuring; at least a few rounds are made.

    Returns:
        The content of `engines.json`: by stage and engine the medians in milliseconds, the median of the ratios of
        neighbouring runs (`cpu_over_engine`, above 1 where the engine is faster), and differences of outputs.

    Raises:
        ConfigurationError: The engine is not here.
        ModelError: A model cannot be loaded.
    """
    described = machine.describe()
    opened = ModelRepository.open(repository)
    ENGINES[engine].check()
    faces = sample_faces(_FACES)
    stages: dict[str, Any] = {}
    for stage in NETWORKS:
        pair = [ENGINES[name].load(stage, opened.model_path(stage), threads) for name in ("cpu", engine)]
        answers = [[infer(faces[number : number + 1]) for number in range(_FACES)] for infer in pair]
        logits = [np.concatenate([outputs[0] for outputs in answer]) for answer in answers]
        runs = [lambda number, infer=infer: infer(faces[number % _FACES][None]) for infer in pair]
        columns = in_turns(runs, seconds / len(NETWORKS), at_least=_FEWEST_ROUNDS)
        stages[stage.name] = {
            "cpu_ms": float(np.median(columns[:, 0])),
            "engine_ms": float(np.median(columns[:, 1])),
            "cpu_over_engine": float(np.median(columns[:, 0] / columns[:, 1])),
            "rounds": len(columns),
            "logit_mean_difference": float(np.abs(logits[0] - logits[1]).mean()),
            "logit_max_difference": float(np.abs(logits[0] - logits[1]).max()),
        }
    return {
        "engine": engine,
        "threads": threads,
        "stages": stages,
        "load_after": round(os.getloadavg()[0], 2),
        "machine": described,
        "model_version": opened.policy.model_version,
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Prints the result of a run."""
    engine = result["engine"]
    table = Table(title=f"ONNX Runtime and {engine}, one face", title_justify="left", header_style="bold")
    for name in ("stage", "cpu, ms", f"{engine}, ms", f"cpu / {engine}", "logits differ: mean, largest"):
        table.add_column(name)
    for stage, entry in result["stages"].items():
        table.add_row(
            stage,
            f"{entry['cpu_ms']:.2f}",
            f"{entry['engine_ms']:.2f}",
            f"{entry['cpu_over_engine']:.2f}",
            f"{entry['logit_mean_difference']:.3f}, {entry['logit_max_difference']:.3f}",
        )
    console.print(table)
    computer = result["machine"]
    console.print(
        f"{result['threads']} threads; {computer['cpu']}, {computer['cores']} cores, {' '.join(computer['flags'])}; "
        f"load before {computer['load_before']}, after {result['load_after']}; models {result['model_version']}",
        style="dim",
    )
