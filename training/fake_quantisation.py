"""A stage's network with the rounding of its INT8 graph inside, so that it can learn to live with it.

torchao's PT2E flow: the network is captured as it serves, batch norms are folded into the layers before them, and what
INT8 would round is rounded to the same 256 values while floats go on being computed (Jacob et al. 2018, section 3).
Rounding is placed as `export.int8` has ONNX Runtime's quantiser place it: unsigned activations, signed weights per
output channel; everything up to and with the first layer, and from what the last layer reads, stays in float.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import torch
from torch import fx, nn

from awarenet.errors import ConfigurationError, ModelError
from awarenet.stages import FACE
from training import layers
from training.networks.stage_network import InOrder, StageNetwork

# What torchao cannot load beside a CPU build of torch is of no use here, and it would say so at length.
logging.getLogger("torchao").setLevel(logging.ERROR)
try:
    import torchao.quantization.pt2e as pt2e
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import (
        QuantizationAnnotation,
        QuantizationSpec,
        Quantizer,
        SharedQuantizationSpec,
    )
except ImportError as error:
    raise ConfigurationError(f"torchao is not here ({error}); install awarenet[train]") from error

_aten = torch.ops.aten
_LAYERS: Final = {_aten.conv2d.default, _aten.conv2d.padding, _aten.linear.default}
WEIGHTED: Final = frozenset(map(str, _LAYERS))
"""PyTorch operators that have weights."""

_RECTIFIERS: Final = {_aten.relu.default, _aten.relu_.default, _aten.hardtanh.default, _aten.hardtanh_.default}
_SUMS: Final = {_aten.add.Tensor, _aten.add_.Tensor}
_MOVES: Final = {_aten.pad.default}
"""What hands bytes on as they are, so that rounding after it must be that before it."""

_TRACE_BATCH: Final = 2

ACTIVATION: Final = QuantizationSpec(
    dtype=torch.uint8,
    quant_min=0,
    quant_max=255,
    qscheme=torch.per_tensor_affine,
    observer_or_fake_quant_ctr=pt2e.FusedMovingAvgObsFakeQuantize.with_args(
        observer=pt2e.MovingAverageMinMaxObserver, averaging_constant=0.05
    ),
)
WEIGHT: Final = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-127,
    quant_max=127,
    qscheme=torch.per_channel_symmetric,
    ch_axis=0,
    # The range of the weights as they are: there is nothing to average.
    observer_or_fake_quant_ctr=pt2e.FusedMovingAvgObsFakeQuantize.with_args(
        observer=pt2e.MovingAveragePerChannelMinMaxObserver, averaging_constant=1.0
    ),
)


class Captured(nn.Module):
    """A graph in the place of the network that it was captured from: uint8 faces to the stage's outputs by name.

    Args:
        graph: Faces, uint8 `[N, 256, 256, 3]`, to a tuple of tensors.
        outputs: Their names.
    """

    def __init__(self, graph: fx.GraphModule, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.graph = graph
        self.outputs = outputs

    def forward(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """The outputs."""
        return dict(zip(self.outputs, self.graph(faces), strict=True))

    def train(self, mode: bool = True) -> Captured:
        """Notes the mode; a captured graph knows but one, that of serving."""
        self.training = mode
        return self


def prepare(network: StageNetwork) -> Captured:
    """Captures a network and puts rounding into it.

    Batch norms are folded with the statistics that the network serves with, which therefore do not change any more.

    Args:
        network: In evaluation mode; it is left as it is.

    Returns:
        The same function but for rounding; its parameters are copies and all of them can be trained.

    Raises:
        ModelError: The network cannot be captured.
    """
    faces = torch.zeros(_TRACE_BATCH, *FACE.shape, dtype=torch.uint8)
    try:
        program = torch.export.export(
            InOrder(network, network.outputs), (faces,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
        )
    except Exception as error:  # torch.export's errors have no common base.
        raise ModelError(f"quantize: the network cannot be captured ({error}); see training/networks") from error
    captured = program.module()
    for name, parameter in list(captured.named_parameters()):
        owner, _, leaf = name.rpartition(".")
        setattr(captured.get_submodule(owner), leaf, nn.Parameter(parameter.detach().clone()))
    graph = prepare_pt2e(captured, UnsignedPlacement())
    for parameter in graph.parameters():
        parameter.requires_grad_(True)  # Folding makes biases that are not.
    return Captured(graph, network.outputs)


def convert(prepared: Captured) -> Captured:
    """The INT8 graph: weights are bytes, QuantizeLinear and DequantizeLinear stand where rounding was.

    Args:
        prepared: What `prepare` returned, trained; it is used up.
    """
    return Captured(convert_pt2e(prepared.graph), prepared.outputs)


def hold_ranges(prepared: Captured) -> None:
    """Freezes the ranges of activations and weights where they are."""
    prepared.graph.apply(pt2e.disable_observer)


class UnsignedPlacement(Quantizer):  # type: ignore[misc]  # torchao has no types.
    """Tells torchao what is rounded: the inputs, weights and output of every inner layer, and inner sums."""

    def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
        """Annotates the inner nodes of a captured graph."""
        for node in inner_nodes(model.graph):
            if node.target in _LAYERS:
                source, weight = node.all_input_nodes[:2]
                _annotate(node, {source: ACTIVATION, weight: WEIGHT}, None if _rectified(node) else ACTIVATION)
            elif node.target in _RECTIFIERS:
                _annotate(node, {}, ACTIVATION)
            elif node.target in _SUMS and all(_is_float(source) for source in node.args):
                sources = dict.fromkeys(node.all_input_nodes, ACTIVATION)
                _annotate(node, sources, None if _rectified(node) else ACTIVATION)
            elif node.target in _MOVES and _is_rounded(node.all_input_nodes[0]):
                _annotate(node, {}, SharedQuantizationSpec(node.all_input_nodes[0]))
        return model

    def validate(self, model: fx.GraphModule) -> None:
        """Nothing can be wrong with what `annotate` writes."""


def inner_nodes(graph: fx.Graph) -> list[fx.Node]:
    """The nodes between the first layer and the last, both left out, on every path, and rectifiers of such layers."""
    inner = {node.name for node in layers.inner_nodes(layers.operators(graph), WEIGHTED)}
    return [
        node
        for node in graph.nodes
        if node.name in inner
        or (node.target in _RECTIFIERS and node.args[0].target in _LAYERS and node.args[0].name in inner)
    ]


def _annotate(node: fx.Node, inputs: dict[fx.Node, Any], output: Any) -> None:
    node.meta["quantization_annotation"] = QuantizationAnnotation(inputs, output, _annotated=True)


def _is_rounded(node: fx.Node) -> bool:
    annotation = node.meta.get("quantization_annotation")
    return annotation is not None and annotation.output_qspec is not None


def _rectified(node: fx.Node) -> bool:
    """Whether all that reads a node is one rectifier: ONNX Runtime makes both one."""
    users = list(node.users)
    return len(users) == 1 and users[0].target in _RECTIFIERS


def _is_float(value: Any) -> bool:
    return isinstance(value, fx.Node) and bool(value.meta["val"].dtype.is_floating_point)
