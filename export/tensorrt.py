"""TensorRT plans, built on the machine that will serve them, from the graphs of a model repository.

A plan fits one GPU and one TensorRT version, so none is shipped. Repositories carry INT8 graphs in ONNX Runtime's form
(unsigned activations), which TensorRT does not take; `float_graph` turns one back into floats, its weights exactly
those of the INT8 graph, and TensorRT runs it in half precision.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnx
from onnx import numpy_helper

from awarenet.errors import ConfigurationError, ModelError
from awarenet.policy import file_sha256
from awarenet.repository import VERSION_FOLDER, ModelRepository, write_manifest
from awarenet.stages import FACE, MAX_BATCH, NETWORKS, Stage

PLAN_FILE: Final = "model.plan"
"""The plan's name in a stage's version folder, as `configs/tensorrt.pbtxt` gives it."""

USUAL_BATCH: Final = 8
"""The batch size that a plan is tuned for."""

WORKSPACE_BYTES: Final = 1 << 30

OPERATORS_FILE: Final = Path(__file__).with_name("tensorrt_operators.json")
"""What TensorRT's ONNX parser supports, with source and date."""

Precision = Literal["fp16", "fp32"]

_RESIZE_MODES: Final = {"nearest", "linear"}
_TENSOR_AXES: Final = re.compile(r"Reduce\w+$")


# The graph that TensorRT takes ------------------------------------------------------------------------------------


def float_graph(model: onnx.ModelProto) -> onnx.ModelProto:
    """A quantised graph without quantisation, as TensorRT takes it.

    Weights become the floats that their integers stand for; activations are no longer rounded; bytes become floats
    before anything else happens to them, because TensorRT has bytes at its border only.

    Args:
        model: A graph in QDQ form, or one in floats, which stays as it is.

    Returns:
        A new graph; the argument is left alone.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    quantised = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    renamed: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            continue
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
        if node.op_type in ("Cast", "Mul") and all(name in constants for name in node.input):
            graph.initializer.append(_fold(node, constants))
            constants[node.output[0]] = graph.initializer[-1]
        elif node.op_type != "DequantizeLinear":
            kept.append(node)
        elif node.input[0] in constants:
            graph.initializer.append(_dequantise(node, constants))
        else:
            source = quantised[node.input[0]]
            renamed[node.output[0]] = renamed.get(source, source)
    kept = _cast_first(graph, kept)
    used = {name for node in kept for name in node.input}
    weights = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(kept)
    graph.initializer.extend(weights)
    onnx.checker.check_model(result)
    return result


def _dequantise(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> onnx.TensorProto:
    values, scale, zero = (numpy_helper.to_array(constants[name]) for name in node.input)
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
    if scale.size > 1:
        shape = [1] * values.ndim
        shape[axis] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    floats = (values.astype(np.float32) - zero.astype(np.float32)) * scale
    return numpy_helper.from_array(floats.astype(np.float32), node.output[0])


def _fold(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> onnx.TensorProto:
    """The value of a product, or of a cast to float, of constants."""
    first, *rest = (numpy_helper.to_array(constants[name]) for name in node.input)
    value = first * rest[0] if rest else first.astype(np.float32)
    return numpy_helper.from_array(value, node.output[0])


def _cast_first(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Makes bytes floats at the graph's border; the cast that stands further down changes nothing any more."""
    casts: list[onnx.NodeProto] = []
    for name in sorted(_byte_inputs(graph)):
        if all(node.op_type == "Cast" for node in nodes if name in node.input):
            continue
        for node in nodes:
            for index, read in enumerate(node.input):
                if read == name:
                    node.input[index] = f"{name}_float"
        casts.append(
            onnx.helper.make_node("Cast", [name], [f"{name}_float"], f"cast_{name}", to=onnx.TensorProto.FLOAT)
        )
    return casts + nodes


def _byte_inputs(graph: onnx.GraphProto) -> set[str]:
    return {value.name for value in graph.input if value.type.tensor_type.elem_type == onnx.TensorProto.UINT8}


# What TensorRT's parser would refuse -------------------------------------------------------------------------------


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
    byte_inputs = _byte_inputs(model.graph)
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in operators:
            found.append(f"{node.name}: operator {node.domain or 'onnx'}.{node.op_type} is not supported")
            continue
        if node.op_type != "Cast" and byte_inputs & set(node.input):
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


# Building ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """What a plan is for.

    Attributes:
        gpu: Name of the GPU, as NVIDIA's driver gives it.
        compute_capability: Its architecture, for instance `9.0`.
        tensorrt: Version of TensorRT.
    """

    gpu: str
    compute_capability: str
    tensorrt: str

    @classmethod
    def here(cls) -> Target:
        """This machine's first GPU and installed TensorRT.

        Raises:
            ConfigurationError: There is no GPU, or TensorRT is not installed.
        """
        query = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader", "--id=0"]
        try:
            answer = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
            gpu, capability = (part.strip() for part in answer.rsplit(",", 1))
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise ConfigurationError(
                f"no NVIDIA GPU answers ({error}); plans are built on the machine that serves them"
            ) from error
        return cls(gpu, capability, str(_tensorrt().__version__))

    def plan_name(self, model: Path, stage: Stage, precision: Precision) -> str:
        """A plan's file name, different whenever the plan would be."""
        gpu = re.sub(r"[^a-z0-9]+", "-", self.gpu.lower()).strip("-")
        digest = file_sha256(model)[:12]
        return f"{stage.name}-{digest}-{gpu}-sm{self.compute_capability}-trt{self.tensorrt}-{precision}.plan"


def install_plans(root: Path, *, cache: Path, precision: Precision = "fp16") -> dict[str, Path]:
    """Gives a model repository plans for this machine, building those that the cache lacks, and signs it again.

    Args:
        root: The repository; must be intact and writable.
        cache: Folder where plans are kept by GPU and TensorRT version.
        precision: Of the plans' arithmetic.

    Returns:
        Stage name to the plan in `cache`.

    Raises:
        ConfigurationError: There is no GPU or no TensorRT here.
        ModelError: The repository is not intact, or TensorRT refuses a graph.
    """
    repository = ModelRepository.open(root)
    target = Target.here()
    plans: dict[str, Path] = {}
    for stage in NETWORKS:
        model = repository.model_path(stage)
        plans[stage.name] = cache / target.plan_name(model, stage, precision)
        if not plans[stage.name].is_file():
            plan = build_plan(float_graph(onnx.load(model)), precision)
            cache.mkdir(parents=True, exist_ok=True)
            partial = plans[stage.name].with_suffix(f".{os.getpid()}")
            partial.write_bytes(plan)
            partial.replace(plans[stage.name])
        shutil.copyfile(plans[stage.name], root / stage.name / VERSION_FOLDER / PLAN_FILE)
    write_manifest(root, repository.policy)
    return plans


def build_plan(model: onnx.ModelProto, precision: Precision) -> bytes:
    """Builds a TensorRT plan for batches of 1 to `MAX_BATCH` faces.

    Args:
        model: A graph of `float_graph`.
        precision: Of the arithmetic; inputs and outputs keep their types.

    Raises:
        ConfigurationError: TensorRT is not installed, or has no half precision of this kind.
        ModelError: TensorRT refuses the graph.
    """
    trt = _tensorrt()
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    # Explicit batch is the only mode since TensorRT 10, where the flag is gone.
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        errors = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ModelError(f"TensorRT {trt.__version__} cannot parse the graph: {errors}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if precision == "fp16":
        if not hasattr(trt.BuilderFlag, "FP16"):
            raise ConfigurationError(
                f"TensorRT {trt.__version__} takes precision from the graph alone; build with --precision fp32"
            )
        config.set_flag(trt.BuilderFlag.FP16)
    profile = builder.create_optimization_profile()
    profile.set_shape(FACE.name, (1, *FACE.shape), (USUAL_BATCH, *FACE.shape), (MAX_BATCH, *FACE.shape))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelError(f"TensorRT {trt.__version__} cannot build the graph; its log above says why")
    return bytes(plan)


def trtexec_command(model: Path, plan: Path, precision: Precision = "fp16") -> str:
    """The command line of TensorRT's own tool that does what `build_plan` does.

    Args:
        model: A graph of `float_graph`.
        plan: The file to write.
        precision: Of the arithmetic.
    """

    def shape(batch: int) -> str:
        return f"{FACE.name}:{'x'.join(map(str, (batch, *FACE.shape)))}"

    command = [
        "trtexec",
        f"--onnx={model}",
        f"--minShapes={shape(1)}",
        f"--optShapes={shape(USUAL_BATCH)}",
        f"--maxShapes={shape(MAX_BATCH)}",
        f"--memPoolSize=workspace:{WORKSPACE_BYTES >> 20}M",
        f"--saveEngine={plan}",
        "--skipInference",
    ]
    if precision == "fp16":
        command.insert(2, "--fp16")
    return shlex.join(command)


def _tensorrt() -> Any:
    try:
        import tensorrt
    except ImportError as error:
        raise ConfigurationError(
            "TensorRT is not installed; build plans inside NVIDIA's tritonserver or tensorrt container"
        ) from error
    return tensorrt
