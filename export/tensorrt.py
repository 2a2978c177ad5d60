"""What TensorRT's ONNX parser would refuse in a graph; building is `awarenet.models.tensorrt`'s."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import onnx

from awarenet.models.tensorrt import byte_inputs

OPERATORS_FILE: Final = Path(__file__).with_name("tensorrt_operators.json")
"""What TensorRT's ONNX parser supports, with source and date."""

_RESIZE_MODES: Final = {"nearest", "linear"}
_TENSOR_AXES: Final = re.compile(r"Reduce\w+$")


def problems(model: onnx.ModelProto) -> list[str]:
    """Everything in a graph that TensorRT's ONNX parser does not support, by its own list; empty when nothing is.

    Checked are the operator set and operators, the restrictions that concern this project's operators, and that the
    batch axis alone is dynamic. It is no proof that a plan builds: that needs the GPU.
    """
    known = known_operators()
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    found: list[str] = []
    if not known["opset_from"] <= opset <= known["opset_to"]:
        found.append(f"operator set {opset} is not in {known['opset_from']}..{known['opset_to']}")
    operators = set(known["operators"])
    constants = {tensor.name for tensor in model.graph.initializer}
    constants |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    read_as_bytes = byte_inputs(model.graph)
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in operators:
            found.append(f"{node.name}: operator {node.domain or 'onnx'}.{node.op_type} is not supported")
            continue
        if node.op_type != "Cast" and read_as_bytes & set(node.input):
            found.append(f"{node.name}: {node.op_type} reads bytes; only Cast may")
        found += [f"{node.name}: {text}" for text in _restrictions(node, constants)]
    for value in model.graph.input:
        axes = value.type.tensor_type.shape.dim
        if not axes or axes[0].HasField("dim_value") or not all(axis.HasField("dim_value") for axis in axes[1:]):
            found.append(f"input {value.name}: the batch axis, and no other, must be dynamic")
    return found


def known_operators() -> dict[str, Any]:
    """What TensorRT's ONNX parser supports: `operators`, `opset_from`, `opset_to`, `tensorrt`, `source`, `read_on`."""
    known: dict[str, Any] = json.loads(OPERATORS_FILE.read_text(encoding="utf-8"))
    return known


def _restrictions(node: onnx.NodeProto, constants: set[str]) -> Iterator[str]:
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type == "Resize":
        mode = attributes.get("mode", b"nearest").decode()
        if mode not in _RESIZE_MODES:
            yield f"Resize in mode {mode} is not supported"
        if attributes.get("antialias"):
            yield "Resize with anti-aliasing is not supported"
        if attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
            yield "Resize that keeps the aspect ratio is not supported"
    elif _TENSOR_AXES.match(node.op_type) and len(node.input) > 1 and node.input[1] and node.input[1] not in constants:
        yield f"{node.op_type} needs constant axes"
    elif node.op_type in ("AveragePool", "MaxPool"):
        if any(step != 1 for step in attributes.get("dilations", ())):
            yield f"{node.op_type} with dilation is not supported"
        if len(node.output) > 1:
            yield f"{node.op_type} with indices is not supported"
    elif node.op_type == "LayerNormalization" and len(node.output) > 1:
        yield "LayerNormalization with more than one output is not supported"
    elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        yield f"{node.op_type} of unsigned activations is not supported; use float_graph"
