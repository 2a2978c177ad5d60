"""TensorRT plans, built on the machine that will serve them.

A plan fits one GPU and one TensorRT version, so none is shipped. Repositories carry INT8 graphs in ONNX Runtime's form
(unsigned activations), which TensorRT does not take; `float_graph` turns one back into floats, its weights exactly
those of the INT8 graph, and TensorRT runs it in half precision.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnx
from onnx import numpy_helper

from awarenet.errors import ConfigurationError, ModelError
from awarenet.policy import file_sha256
from awarenet.stages import FACE, MAX_BATCH, Stage

USUAL_BATCH: Final = 8
"""The batch size that a plan is tuned for."""

WORKSPACE_BYTES: Final = 1 << 30

Precision = Literal["fp16", "fp32"]

_TRTEXEC: Final = Path("/usr/src/tensorrt/bin/trtexec")
"""Where NVIDIA's images keep TensorRT's own tool."""

_LONGEST_BUILD_S: Final = 3600.0


# The graph that TensorRT takes


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
    for name in sorted(byte_inputs(graph)):
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


def byte_inputs(graph: onnx.GraphProto) -> set[str]:
    """Names of the graph's inputs that are bytes."""
    return {value.name for value in graph.input if value.type.tensor_type.elem_type == onnx.TensorProto.UINT8}


# Building


@dataclass(frozen=True)
class Machine:
    """What a plan is built for.

    Attributes:
        gpu: Name of the GPU, as NVIDIA's driver gives it.
        compute_capability: Its architecture, for instance `9.0`.
        tensorrt: Version of TensorRT.
    """

    gpu: str
    compute_capability: str
    tensorrt: str

    @classmethod
    def here(cls) -> Machine:
        """This machine's first GPU and installed TensorRT.

        Raises:
            ConfigurationError: There is no GPU, or no TensorRT.
        """
        query = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader", "--id=0"]
        try:
            answer = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
            gpu, capability = (part.strip() for part in answer.rsplit(",", 1))
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise ConfigurationError(
                f"no NVIDIA GPU answers ({error}); plans are built on the machine that serves them"
            ) from error
        return cls(gpu, capability, tensorrt_version())

    def plan_name(self, model: Path, stage: Stage, precision: Precision = "fp16") -> str:
        """A plan's file name, different whenever the plan would be."""
        gpu = re.sub(r"[^a-z0-9]+", "-", self.gpu.lower()).strip("-")
        digest = file_sha256(model)[:12]
        return f"{stage.name}-{digest}-{gpu}-sm{self.compute_capability}-trt{self.tensorrt}-{precision}.plan"


def tensorrt_version() -> str:
    """Version of the TensorRT that would build here.

    Raises:
        ConfigurationError: There is none, or nothing to build with.
    """
    if (package := _package()) is not None:
        return str(package.__version__)
    _trtexec()
    name = ctypes.util.find_library("nvinfer")
    if name is None:
        raise ConfigurationError("TensorRT's library libnvinfer was not found; serve from NVIDIA's tritonserver image")
    try:
        return str(ctypes.CDLL(name).getInferLibVersion())
    except (OSError, AttributeError) as error:
        raise ConfigurationError(f"TensorRT's library {name} cannot be used ({error})") from error


def build_plan(model: onnx.ModelProto, precision: Precision = "fp16") -> bytes:
    """Builds a TensorRT plan for batches of 1 to `MAX_BATCH` faces.

    By TensorRT's Python package where it is installed, else by its tool `trtexec`, as in NVIDIA's images.

    Args:
        model: A graph of `float_graph`.
        precision: Of the arithmetic; inputs and outputs keep their types.

    Raises:
        ConfigurationError: TensorRT is not installed, or has no half precision of this kind.
        ModelError: TensorRT refuses the graph.
    """
    if (package := _package()) is not None:
        return _build_by_package(package, model, precision)
    with tempfile.TemporaryDirectory(prefix="awarenet-plan-") as folder:
        graph, plan = Path(folder) / "model.onnx", Path(folder) / "model.plan"
        onnx.save(model, graph)
        command = [str(_trtexec()), *trtexec_options(graph, plan, precision)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_BUILD_S)
        except subprocess.TimeoutExpired as error:
            raise ModelError(f"trtexec did not build the graph within {_LONGEST_BUILD_S:g} s") from error
        if done.returncode or not plan.is_file():
            last = (done.stdout + done.stderr).strip().splitlines()[-20:]
            raise ModelError("trtexec cannot build the graph; its last words:\n" + "\n".join(last))
        return plan.read_bytes()


def trtexec_options(model: Path, plan: Path, precision: Precision = "fp16") -> list[str]:
    """The options with which TensorRT's own tool builds a plan for batches of 1 to `MAX_BATCH` faces.

    Args:
        model: File of a graph of `float_graph`.
        plan: The file to write.
        precision: Of the arithmetic.
    """

    def shape(batch: int) -> str:
        return f"{FACE.name}:{'x'.join(map(str, (batch, *FACE.shape)))}"

    return [
        f"--onnx={model}",
        *(["--fp16"] if precision == "fp16" else []),
        f"--minShapes={shape(1)}",
        f"--optShapes={shape(USUAL_BATCH)}",
        f"--maxShapes={shape(MAX_BATCH)}",
        f"--memPoolSize=workspace:{WORKSPACE_BYTES >> 20}M",
        f"--saveEngine={plan}",
        "--skipInference",
    ]


def _build_by_package(trt: Any, model: onnx.ModelProto, precision: Precision) -> bytes:
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
            raise ConfigurationError(f"TensorRT {trt.__version__} takes precision from the graph alone; build in fp32")
        config.set_flag(trt.BuilderFlag.FP16)
    profile = builder.create_optimization_profile()
    profile.set_shape(FACE.name, (1, *FACE.shape), (USUAL_BATCH, *FACE.shape), (MAX_BATCH, *FACE.shape))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelError(f"TensorRT {trt.__version__} cannot build the graph; its log above says why")
    return bytes(plan)


def _package() -> Any:
    """TensorRT's Python package; None where it is not installed."""
    try:
        return importlib.import_module("tensorrt")
    except ImportError:
        return None


def _trtexec() -> Path:
    found = shutil.which("trtexec")
    if found:
        return Path(found)
    if _TRTEXEC.is_file():
        return _TRTEXEC
    raise ConfigurationError(
        "TensorRT is not installed, neither its Python package nor trtexec; build inside NVIDIA's tritonserver image"
    )
