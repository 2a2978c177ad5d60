"""TFLite by litert-torch, INT8 by ai-edge-quantizer, run by LiteRT; see `export.formats`.

Of INT8 there are three forms. `static`: activations and weights in INT8, with ranges from calibration faces; `dynamic`:
activations rounded anew for every face; `weights`: float arithmetic on rounded weights. As in `export.int8` the way in
and the way out stay in float. Layers with few weights are rounded only where their arithmetic is INT8 too: they weigh
next to nothing, and depthwise kernels lose most.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import qtyping
from ai_edge_quantizer.quantizer import Quantizer
from ai_edge_quantizer.utils import tfl_flatbuffer_utils
from torch import nn

from awarenet.errors import ModelError
from awarenet.stages import FACE, Stage
from export.formats import Infer, check_face
from export.inference import Faces, Outputs
from training.layers import Operator, inner_nodes, kept_nodes

NAME: Final = "tflite"
SUFFIX: Final = ".tflite"

WEIGHTED: Final = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"})
"""TFLite operators that have weights; as in ONNX, a product of two activations is counted with them."""

# A normalisation and attention's softmax are spelled out here, and their parts would overflow or vanish in eight bits.
_STATIC: Final = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "PAD", "GELU", "MEAN", "RESIZE_NEAREST_NEIGHBOR"}
)
_PACKED: Final = frozenset({"CONV_2D", "FULLY_CONNECTED"})
_FEW: Final = 1 << 12
"""Weights of a layer that is left in float where its arithmetic is."""
_SIGNATURE: Final = "serving_default"


def translate(network: nn.Module, stage: Stage) -> bytes:
    """A network to a graph of floats, its tensors named as the stage's."""
    face = torch.zeros((1, *FACE.shape), dtype=torch.uint8)
    with contextlib.redirect_stdout(io.StringIO()):  # The converter tells its progress there.
        model = litert_torch.convert(_Named(network, stage).eval(), sample_kwargs={FACE.name: face})
        return bytes(model.model_content())


def quantise(
    network: nn.Module, stage: Stage, translated: bytes, calibration: Faces, kept: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """A graph of floats to INT8: static, static with groups kept in float, dynamic, weights alone."""
    graph = _Graph(translated)
    if not graph.inner:
        raise ModelError(f"{stage.name}: it has nothing to quantise (no {', '.join(sorted(WEIGHTED))})")
    names = {node.name for node in graph.inner}
    ranges = graph.calibrate(calibration)
    yield "static", graph.quantise(ranges, static=names)
    apart = kept_nodes(graph.inner, kept, WEIGHTED)
    if apart:
        yield f"static, {len(kept)} groups kept", graph.quantise(ranges, static=names - apart)
    yield "dynamic", graph.quantise(ranges, dynamic=names)
    yield "weights", graph.quantise(ranges)


def load(model: Path, stage: Stage, threads: int) -> Infer:
    """Opens a file in LiteRT.

    Raises:
        ModelError: LiteRT refuses it, or its tensors are not the stage's.
    """
    try:
        runner = Interpreter(model_path=str(model), num_threads=threads).get_signature_runner(_SIGNATURE)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{model}: LiteRT cannot load it ({error}); make it with `python -m export tflite`") from error
    given, outputs = runner.get_input_details(), set(runner.get_output_details())
    if set(given) != {FACE.name} or outputs != {tensor.name for tensor in stage.outputs}:
        raise ModelError(
            f"{model}: it takes {', '.join(given)} and gives {', '.join(sorted(outputs))}, unlike {stage.name}"
        )
    check_face(stage, np.dtype(given[FACE.name]["dtype"]).name, given[FACE.name]["shape"].tolist())

    def infer(face: Faces) -> Outputs:
        # Copied: the runner gives views of memory that the next face overwrites.
        return {name: np.array(values) for name, values in runner(**{FACE.name: face}).items()}

    return infer


class _Named(nn.Module):
    """A network whose tensors are named and ordered as in the stage's contract."""

    def __init__(self, network: nn.Module, stage: Stage) -> None:
        super().__init__()
        self.network = network
        self.names = [tensor.name for tensor in stage.outputs]

    def forward(self, face: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = self.network(face)
        return {name: outputs[name] for name in self.names}


class _Graph:
    """A graph of floats, which is quantised in several ways; the quantiser knows a node by the tensors it writes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        model: Any = tfl_flatbuffer_utils.read_model(content)
        graph = model.subgraphs[0]
        kinds = tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME
        nodes = []
        self._weights: dict[str, int] = {}
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            kind = kinds[code].value if code in kinds else f"operator {code}"
            name = tfl_flatbuffer_utils.get_op_scope(operator, graph.tensors)
            inputs, outputs = (tuple(map(str, tensors)) for tensors in (operator.inputs, operator.outputs))
            nodes.append(Operator(name, kind, inputs, outputs))
            if kind in _PACKED:
                self._weights[name] = int(np.prod(graph.tensors[operator.inputs[1]].shape))
        self.inner = inner_nodes(nodes, WEIGHTED)

    def calibrate(self, faces: Faces) -> Any:
        """The ranges of every tensor."""
        quantiser = self._quantiser({node.name for node in self.inner})
        with _quiet():
            return quantiser.calibrate({_SIGNATURE: [{FACE.name: face[None]} for face in faces]}, num_threads=1)

    def quantise(self, ranges: Any, *, static: Collection[str] = (), dynamic: Collection[str] = ()) -> bytes:
        """A graph with these nodes in INT8, static or dynamic, and of all others the weights alone."""
        with _quiet():
            made = self._quantiser(static, dynamic).quantize(ranges, enable_progress_report=False)
        return bytes(made.quantized_model)

    def _quantiser(self, static: Collection[str], dynamic: Collection[str] = ()) -> Quantizer:
        quantiser = Quantizer(bytearray(self._content))
        for node in self.inner:
            if node.name in static and node.op_type in _STATIC:
                quantiser.add_static_config(_exactly(node), _operation(node), 8, 8)
            elif self._weights.get(node.name, 0) > _FEW:
                add = quantiser.add_dynamic_config if node.name in dynamic else quantiser.add_weight_only_config
                add(_exactly(node), _operation(node), 8)
        return quantiser


def _exactly(node: Operator) -> str:
    return f"^{re.escape(node.name)}$"


def _operation(node: Operator) -> qtyping.TFLOperationName:
    return qtyping.TFLOperationName(node.op_type)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the quantiser's progress bars and reports."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
