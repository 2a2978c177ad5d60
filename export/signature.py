"""Checks that an ONNX graph has the tensor contract of its stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from awarenet.errors import ModelError
from awarenet.stages import Stage, Tensor

BATCH_AXIS: Final = "batch"
"""Name of the dynamic axis of every exported graph."""


def check_signature(path: Path, stage: Stage) -> None:
    """Checks names, dtypes and shapes of a graph's inputs and outputs; the batch axis must be dynamic.

    Raises:
        ModelError: The file is no ONNX graph, or a tensor differs from the contract.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # onnx raises protobuf's, its own and the system's, with no common base.
        raise ModelError(f"{path}: not a valid ONNX graph ({error}); make it with `python -m export onnx`") from error
    weights = {tensor.name for tensor in model.graph.initializer}
    _check(path, "input", [value for value in model.graph.input if value.name not in weights], stage.inputs)
    _check(path, "output", list(model.graph.output), stage.outputs)


def _check(path: Path, kind: str, found: list[Any], contract: tuple[Tensor, ...]) -> None:
    values = {value.name: value.type.tensor_type for value in found}
    for wanted in contract:
        if wanted.name not in values:
            raise ModelError(f"{path}: {kind} {wanted.name} is missing; it has {', '.join(sorted(values)) or 'none'}")
        kind_of = values.pop(wanted.name)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind_of.elem_type)
        batch, *shape = (axis.dim_value or axis.dim_param or "?" for axis in kind_of.shape.dim)
        if dtype != np.dtype(wanted.dtype) or tuple(shape) != wanted.shape:
            raise ModelError(
                f"{path}: {kind} {wanted.name} is {dtype} [N, {', '.join(map(str, shape))}], "
                f"the contract is {wanted.dtype} [N, {', '.join(map(str, wanted.shape))}]"
            )
        if isinstance(batch, int):
            raise ModelError(f"{path}: {kind} {wanted.name} has the fixed batch size {batch}; export it dynamic")
    if values:
        raise ModelError(f"{path}: {kind} {', '.join(sorted(values))} is in no contract")
