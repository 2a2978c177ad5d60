"""A trained stage to ONNX: one graph from `face` to the stage's outputs, pre-processing and temperature inside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import onnx
import torch
from torch import nn

from awarenet.errors import ModelError
from awarenet.stages import FACE, Stage
from export.signature import BATCH_AXIS, check_signature
from training.networks.stage_network import InOrder

OPSET: Final = 20
"""The oldest operator set in which GELU is one operator; spelled out, quantisation would tear it apart."""

_TRACE_BATCH: Final = 2  # A traced batch of one would be taken for a constant.


def in_order(network: nn.Module, stage: Stage) -> InOrder:
    """A network with its outputs as a tuple, in the order of the stage's contract."""
    return InOrder(network, [tensor.name for tensor in stage.outputs])


def export_onnx(network: nn.Module, stage: Stage, out: Path) -> Path:
    """Writes a network as an ONNX graph with the contract of its stage.

    Args:
        network: As `training.networks.load` returns it: evaluation mode, temperature folded in, uint8 faces to a
            mapping of output name to tensor.
        stage: The stage that it implements.
        out: The file to write.

    Returns:
        `out`.

    Raises:
        ModelError: An operator cannot be exported, an output is missing, or the graph breaks the contract.
    """
    if network.training:
        raise ModelError(f"{stage.name}: the network is in training mode; call eval() before the export")
    faces = torch.randint(0, 256, (_TRACE_BATCH, *FACE.shape), dtype=torch.uint8)
    with torch.inference_mode():
        missing = [tensor.name for tensor in stage.outputs if tensor.name not in network(faces)]
    if missing:
        raise ModelError(f"{stage.name}: the network has no output {', '.join(missing)}; awarenet.stages asks for it")
    try:
        program = torch.onnx.export(
            in_order(network, stage),
            (faces,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[FACE.name],
            output_names=[tensor.name for tensor in stage.outputs],
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise ModelError(f"{stage.name}: {_unsupported(error)}; replace it in training/networks") from error
    if program is None:
        raise ModelError(f"{stage.name}: the exporter returned nothing; update torch and onnxscript together")
    model = program.model_proto
    _name_batch_axis(model)
    _strip(model)
    out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, out)
    check_signature(out, stage)
    return out


def _unsupported(error: BaseException) -> str:
    """What the exporter could not translate, from the chain of its errors."""
    causes: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(str(cause))
        cause = cause.__cause__
    operators = sorted(set(re.findall(r"OpOverload\(op='([\w.]+)'", "\n".join(causes))))
    if operators:
        return f"operator {', '.join(operators)} has no ONNX translation"
    return f"the export failed ({causes[-1].strip().splitlines()[0] if causes[-1].strip() else type(error).__name__})"


def _name_batch_axis(model: onnx.ModelProto) -> None:
    """Gives the dynamic axis a fixed name; the exporter numbers it differently each time."""
    symbol = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    del model.graph.value_info[:]  # Shapes in terms of the old name; whoever needs shapes infers them.
    for value in (*model.graph.input, *model.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param == symbol:
                axis.dim_param = BATCH_AXIS


def _strip(model: onnx.ModelProto) -> None:
    """Removes what the exporter notes for debugging, paths of the exporting machine among it."""
    for item in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    del model.functions[:]
