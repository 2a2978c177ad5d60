"""Multiply-accumulates of a network for one face, counted in its ONNX graph."""

from __future__ import annotations

from math import prod
from pathlib import Path

import onnx
from onnx import numpy_helper, shape_inference


def giga_operations(model: Path) -> float:
    """10^9 floating-point operations for one face: two for each multiply-accumulate of convolutions and products.

    Args:
        model: The ONNX file; quantised graphs count like those they come from.
    """
    graph = onnx.load(str(model)).graph
    for tensor in graph.input:
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    whole = onnx.load(str(model))
    whole.graph.CopyFrom(graph)
    inferred = shape_inference.infer_shapes(whole, data_prop=True).graph
    shapes = {
        value.name: [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.output, *inferred.input)
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    total = 0
    for node in inferred.node:
        if node.op_type == "Constant":
            shapes[node.output[0]] = list(numpy_helper.to_array(node.attribute[0].t).shape)
        if node.op_type == "Conv":
            total += prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
        elif node.op_type in ("MatMul", "Gemm"):
            depth = shapes[node.input[0]][-1]
            total += prod(shapes[node.output[0]]) * depth
    return 2 * total / 1e9
