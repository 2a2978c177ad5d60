"""ExecuTorch with XNNPACK, INT8 by torchao on exported graphs, run by ExecuTorch itself; see `export.formats`.

Of INT8 there is one form, `static`: activations and weights in INT8, with ranges from calibration faces. As in
`export.int8` the way in and the way out stay in float. XNNPACK has no rounded weights for float arithmetic here, so
what is kept in float keeps its size. A file has no names: its outputs are in the order of the stage's contract.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
from executorch.exir import to_edge_transform_and_lower
from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
from executorch.runtime import Runtime
from torch import nn
from torchao.quantization.pt2e import MovingAverageMinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from awarenet.errors import ModelError
from awarenet.stages import FACE, Stage
from export.formats import Infer, check_face
from export.inference import Faces, Outputs
from export.onnx import in_order
from training.layers import inner_nodes, kept_nodes, operators

NAME: Final = "executorch"
SUFFIX: Final = ".pte"

WEIGHTED: Final = frozenset({"aten.conv2d.default", "aten.linear.default", "aten.matmul.default"})
"""PyTorch operators that have weights; as in ONNX, a product of two activations is counted with them."""

# Parts of the layer before them, wherever that is: also of the last inner one, behind which the way out begins.
_FOLDED: Final = frozenset({"aten.batch_norm.default", "aten.relu.default", "aten.relu_.default"})
_LEAST_SCALE: Final = 2**-12  # XNNPACK's own; it refuses smaller ones.
_NEWEST: Final = 0.05  # Weight of the newest face in a range.


def translate(network: nn.Module, stage: Stage) -> bytes:
    """A network to a program of floats."""
    return _lower(in_order(network, stage))


def quantise(
    network: nn.Module, stage: Stage, translated: bytes, calibration: Faces, kept: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """A network to INT8: static, static with groups kept in float."""
    yield "static", _quantise(network, stage, calibration, ())
    if kept:
        yield f"static, {len(kept)} groups kept", _quantise(network, stage, calibration, kept)


def load(model: Path, stage: Stage, threads: int) -> Infer:
    """Opens a file in ExecuTorch; the threads are those of every file that is open in this process.

    Raises:
        ModelError: ExecuTorch refuses it, or its tensors are not the stage's.
    """
    _unsafe_reset_threadpool(threads)
    try:
        method = Runtime.get().load_program(model).load_method("forward")
        given, count = method.metadata.input_tensor_meta(0), method.metadata.num_outputs()
    except (RuntimeError, OSError, IndexError) as error:
        raise ModelError(
            f"{model}: ExecuTorch cannot load it ({error}); make it with `python -m export executorch`"
        ) from error
    # The runtime tells a type by its number, that of PyTorch: 0 is uint8.
    check_face(stage, FACE.dtype if given.dtype() == 0 else f"type {given.dtype()}", given.sizes())

    if count != len(stage.outputs):
        raise ModelError(
            f"{model}: it gives {count} outputs, {stage.name} has {len(stage.outputs)}; awarenet.stages has its tensors"
        )

    def infer(face: Faces) -> Outputs:
        # Copied: the method's outputs are memory that the next face overwrites.
        found = [np.array(output) for output in method.execute([torch.from_numpy(face)])]
        return dict(zip((tensor.name for tensor in stage.outputs), found, strict=True))

    return infer


class _Inner(XNNPACKQuantizer):  # type: ignore[misc]  # ExecuTorch is not installed where types are checked.
    """XNNPACK's rules for what is INT8, but for nodes that stay in float whatever they say."""

    def __init__(self, floats: Collection[str]) -> None:
        super().__init__()
        self._floats = floats
        self.set_filter_function(lambda node: node.name not in floats)

    def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
        annotated: torch.fx.GraphModule = super().annotate(model)
        # The rules pass ranges on through poolings, unasked: what is pooled is far smaller than what it is pooled from.
        for node in annotated.graph.nodes:
            if node.name in self._floats:
                node.meta.pop(Q_ANNOTATION_KEY, None)
        return annotated


def _quantise(network: nn.Module, stage: Stage, calibration: Faces, kept: Collection[str]) -> bytes:
    graph: Any = torch.export.export(in_order(network, stage), (_face(),)).module()
    nodes = operators(graph.graph)
    inner = inner_nodes(nodes, WEIGHTED)
    if not inner:
        raise ModelError(f"{stage.name}: it has nothing to quantise (no {', '.join(sorted(WEIGHTED))})")
    floats = {node.name for node in nodes if node.op_type not in _FOLDED}
    floats = floats - {node.name for node in inner} | kept_nodes(inner, kept, WEIGHTED)
    config = get_symmetric_quantization_config(is_per_channel=True)
    # As TFLite's quantiser does: no single face widens the ranges of all.
    observer = MovingAverageMinMaxObserver.with_args(eps=_LEAST_SCALE, averaging_constant=_NEWEST)
    typical = replace(config.input_activation, observer_or_fake_quant_ctr=observer)
    quantizer = _Inner(floats).set_global(replace(config, input_activation=typical, output_activation=typical))
    prepared = prepare_pt2e(graph, quantizer)
    with torch.inference_mode():
        for face in calibration:
            prepared(torch.from_numpy(face[None]))
    return _lower(convert_pt2e(prepared))


def _lower(network: nn.Module) -> bytes:
    program = to_edge_transform_and_lower(
        torch.export.export(network, (_face(),)), partitioner=[XnnpackPartitioner()]
    ).to_executorch()
    return bytes(program.buffer)


def _face() -> torch.Tensor:
    return torch.zeros((1, *FACE.shape), dtype=torch.uint8)
