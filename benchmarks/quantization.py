"""`python -m benchmarks quantization`: each stage in floats, with rounded weights, with weights that learned to be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from awarenet.errors import ModelError
from awarenet.repository import model_path
from awarenet.stages import NETWORKS, Stage
from benchmarks import machine, stages
from export.difference import compare_outputs
from export.inference import run_graph
from export.samples import Samples

FORMS: Final = {"fp32": "float", "rounded": "rounded", "learned": "learned"}
"""A stage's forms, and the folders below `<run>/export` where `python -m export` puts them."""

_MEMORY: Final = """
import sys
import numpy as np, onnxruntime as ort, psutil
from export.bundle_runner import peak_mb
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
before = psutil.Process().memory_info().rss / 2**20
session = ort.InferenceSession(sys.argv[1], options, ["CPUExecutionProvider"])
batch = np.zeros((int(sys.argv[2]), *session.get_inputs()[0].shape[1:]), np.uint8)
for _ in range(3):
    session.run(None, {session.get_inputs()[0].name: batch})
print(peak_mb() - before)
"""
"""In a process of its own: a peak is never given back, so the next model would inherit it. (`ru_maxrss` would be no
less than what the process that starts it has.)"""


def measure(run: Path, crops: Path, *, faces: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Measures every form of every stage on the same faces and in the same rounds.

    Args:
        run: A run folder after `python -m export onnx` and `int8`, of some stages or all.
        crops: Crop cache with a validation split.
        faces: About how many faces outputs are compared on.
        seconds: Time for measuring latency.
        say: Told what is going on.

    Returns:
        `stages.STAGE.FORM` with `mb`, `share` (of the FP32 file), `batch_1_ms`, `batch_8_ms`, `speed_1` and `speed_8`
        (times as fast as FP32), `memory_mb` (peak of loading and of batches of 8 in a fresh process), `auc_loss`,
        `flips`, `in_float` and `served`; and the machine.

    Raises:
        ModelError: A graph is missing.
        DataError: The crops are.
    """
    described = machine.describe()
    found = dict(_files(run))
    samples = Samples.of(crops, "validation", limit=faces)
    say("latency")
    timed = stages.measure({(stage.name, form): path for (stage, form), path in found.items()}, samples.faces, seconds)
    result: dict[str, Any] = {}
    for (stage, form), path in found.items():
        say(f"{stage.name}: {form}")
        outputs = run_graph(path, samples.faces)
        if form == "fp32":
            reference = outputs
        difference = compare_outputs(reference, outputs, samples.labels, samples.subsets)
        entry, base = timed[stage.name][form], timed[stage.name]["fp32"]
        result.setdefault(stage.name, {})[form] = {
            **entry,
            "share": entry["mb"] / base["mb"],
            **{f"speed_{size}": base[f"batch_{size}_ms"] / entry[f"batch_{size}_ms"] for size in stages.BATCHES},
            "memory_mb": _peak(path, max(stages.BATCHES)),
            "auc_loss": difference.auc_loss,
            "flips": difference.flips,
            **_noted(run, stage, form),
        }
    return {"stages": result, "faces": len(samples.faces), "machine": described}


def show(result: dict[str, Any], console: Console) -> None:
    """Prints the result of a run."""
    table = Table(title="Quantisation", title_justify="left", header_style="bold")
    for name in ("stage", "form", "MB", "share", "1 face", "8 faces", "peak, MB", "in float", "AUC loss", "flips", ""):
        table.add_column(name)
    for stage, forms in result["stages"].items():
        for form, entry in forms.items():
            table.add_row(
                stage,
                form,
                f"{entry['mb']:.2f}",
                f"{entry['share']:.1%}",
                *(f"{entry[f'batch_{size}_ms']:.2f} ms, {entry[f'speed_{size}']:.2f}x" for size in stages.BATCHES),
                f"{entry['memory_mb']:.0f}",
                entry["in_float"],
                f"{entry['auc_loss']:.4f}",
                f"{entry['flips']:.1%}",
                "served" if entry["served"] else "",
            )
    console.print(table)
    computer = result["machine"]
    console.print(
        f"{result['faces']} faces, one thread; {computer['cpu']}, {' '.join(computer['flags'])}; "
        f"load before {computer['load_before']}",
        style="dim",
    )


def _files(run: Path) -> Iterator[tuple[tuple[Stage, str], Path]]:
    measured = [stage for stage in NETWORKS if _note(run, stage).is_file()]
    if not measured:
        raise ModelError(f"{run} has no INT8 graph; make it with `python -m export onnx` and `python -m export int8`")
    for stage in measured:
        for form, folder in FORMS.items():
            path = model_path(run / "export" / folder, stage)
            if path.is_file():
                yield (stage, form), path
            elif form != "learned":
                raise ModelError(f"{path} is missing; make it with `python -m export onnx` and `python -m export int8`")


def _note(run: Path, stage: Stage) -> Path:
    return run / "export" / f"int8-{stage.name}.json"


def _noted(run: Path, stage: Stage, form: str) -> dict[str, Any]:
    """How much of a form computes in float, and whether it is the one that is served."""
    note = json.loads(_note(run, stage).read_text(encoding="utf-8"))
    kept = {"fp32": "all", "rounded": f"{len(note['chosen']['kept'])} groups", "learned": "0 groups"}[form]
    return {"in_float": kept, "served": note["served"] == form}


def _peak(model: Path, batch: int) -> float:
    """Megabytes that loading a model and running batches adds to the peak of a fresh process."""
    command = [sys.executable, "-c", _MEMORY, str(model), str(batch)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
