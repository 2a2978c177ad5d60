"""The stages by themselves: file sizes, and latency in FP32 and INT8 with one thread."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from awarenet.repository import ModelRepository, model_path
from awarenet.stages import FACE, NETWORKS
from benchmarks.contender import Faces
from benchmarks.contenders import eager

BATCHES = (1, 8)


def files(repository: ModelRepository, weights: Path, folder: Path) -> dict[tuple[str, str], Path]:
    """The ONNX files to measure, by stage and precision.

    Args:
        repository: Holds the files that are served.
        weights: Folder of the stages' weights; stages that are absent there, or that nothing here can export, have no
            FP32 graph.
        folder: Where FP32 graphs are written.
    """
    found = {(stage.name, "served"): repository.model_path(stage) for stage in NETWORKS}
    if eager.missing() or find_spec("onnxscript") is None:
        return found
    from export.onnx import export_onnx
    from training.networks import load

    for stage in NETWORKS:
        if (weights / f"{stage.name}.safetensors").is_file():
            out = model_path(folder, stage)
            out.parent.mkdir(parents=True, exist_ok=True)
            found[stage.name, "fp32"] = export_onnx(load(weights / stage.name), stage, out)
    return found


def measure(models: Mapping[tuple[str, str], Path], faces: Faces, seconds: float) -> dict[str, Any]:
    """Median latency of every model at every batch size, in interleaved rounds.

    Args:
        models: Path of each ONNX file by stage and precision.
        faces: At least as many as the largest batch.
        seconds: Time for all of it; every model runs at least three times at every size.

    Returns:
        `STAGE.PRECISION.{mb, batch_1_ms, batch_8_ms, runs}`.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    sessions = {key: ort.InferenceSession(str(path), options, ["CPUExecutionProvider"]) for key, path in models.items()}
    times: dict[tuple[tuple[str, str], int], list[float]] = {(key, size): [] for key in models for size in BATCHES}
    for key, size in times:
        sessions[key].run(None, {FACE.name: faces[:size]})
    begin, rounds = time.perf_counter(), 0
    while rounds < 3 or time.perf_counter() - begin < seconds:
        for (key, size), taken in times.items():
            started = time.perf_counter()
            sessions[key].run(None, {FACE.name: faces[:size]})
            taken.append(time.perf_counter() - started)
        rounds += 1
    result: dict[str, Any] = {}
    for key, path in models.items():
        entry = {f"batch_{size}_ms": 1000 * float(np.median(times[key, size])) for size in BATCHES}
        stage, precision = key
        result.setdefault(stage, {})[precision] = {"mb": path.stat().st_size / 1e6, "runs": rounds} | entry
    return result
