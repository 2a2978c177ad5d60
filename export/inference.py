"""Runs a graph over faces, for calibration and for the gates."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from awarenet.errors import ModelError
from awarenet.stages import FACE

Faces = NDArray[np.uint8]
Outputs = dict[str, NDArray[np.float32]]

_BATCH = 8


def run_graph(model: Path, faces: Faces) -> Outputs:
    """The outputs of an ONNX graph for all faces.

    Args:
        model: The graph, with a stage's contract.
        faces: uint8 `[N, 256, 256, 3]`, N >= 1.

    Returns:
        Output name to float32 `[N, ...]`.

    Raises:
        ModelError: ONNX Runtime cannot load the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    # Waiting threads that spin would take the processor from whatever else runs here.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base.
        raise ModelError(f"{model}: ONNX Runtime cannot load it ({error})") from error
    names = [output.name for output in session.get_outputs()]
    parts = [session.run(names, {FACE.name: faces[i : i + _BATCH]}) for i in range(0, len(faces), _BATCH)]
    return {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(names)}
