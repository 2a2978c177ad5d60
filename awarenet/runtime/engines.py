"""What runs the networks in this process: ONNX Runtime, on the processor or a GPU of NVIDIA, or OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from awarenet.errors import ConfigurationError, ModelError
from awarenet.runtime.golden import TOLERANCE
from awarenet.stages import FACE, Stage

Infer = Callable[[NDArray[np.uint8]], Sequence[NDArray[np.float32]]]
"""Faces uint8 `[M, 256, 256, 3]` to the outputs of a stage, in the order of its contract."""

Contract = Mapping[str, tuple[str, tuple[int | str | None, ...]]]

EngineName = Literal["cpu", "cuda", "tensorrt", "openvino", "openvino-gpu", "openvino-npu"]

_ONNX_TYPES: Final = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}


class Engine(Protocol):
    """Loads networks.

    Attributes:
        one_by_one: Whether faces run one at a time. On a processor a batch is no faster than its faces, and its
            activations take tens of megabytes a face.
        tolerance: Largest difference of a logit from that of ONNX Runtime on the CPU, relative where above 1.
    """

    @property
    def one_by_one(self) -> bool:
        """See `Engine`."""

    @property
    def tolerance(self) -> float:
        """See `Engine`."""

    def check(self) -> None:
        """Refuses what is not there.

        Raises:
            ConfigurationError: The library, or the device, is absent.
        """

    def load(self, stage: Stage, path: Path, threads: int) -> Infer:
        """Loads the network of a stage.

        Raises:
            ModelError: The file is unreadable, or breaks its tensor contract.
        """


@dataclass(frozen=True)
class OnnxRuntime:
    """ONNX Runtime.

    Attributes:
        providers: Its execution providers, best first.
        in_floats: Whether quantisation is taken out of the graphs before: NVIDIA's providers do not run it in the form
            that is fast on processors (unsigned activations).
        tolerance: See `Engine`.
    """

    providers: tuple[str, ...]
    in_floats: bool = False
    tolerance: float = TOLERANCE["embedded"]

    @property
    def one_by_one(self) -> bool:
        """See `Engine`."""
        return self.providers == ("CPUExecutionProvider",)

    def check(self) -> None:
        """See `Engine`."""
        import onnxruntime as ort

        absent = set(self.providers) - set(ort.get_available_providers())
        if absent or not self.providers:
            raise ConfigurationError(
                f"ONNX Runtime here has no {', '.join(sorted(absent)) or 'provider to choose from'}; "
                f"available: {', '.join(ort.get_available_providers())}"
            )

    def load(self, stage: Stage, path: Path, threads: int) -> Infer:
        """See `Engine`."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # a fifth less memory, at the same speed
        # Waiting threads that spin take the processor from the other stage.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        rewrite = _rewriter() if self.in_floats else str
        try:
            session: Any = ort.InferenceSession(
                rewrite(path), options, providers=list(self.providers), enable_fallback=0
            )
        except Exception as error:  # ONNX Runtime raises many types, none of them documented
            raise ModelError(f"{stage.name}: ONNX Runtime cannot load {path} ({error})") from error
        _check_contract(
            stage,
            path,
            {node.name: (node.type, tuple(node.shape[1:])) for node in session.get_inputs()},
            {node.name: (node.type, tuple(node.shape[1:])) for node in session.get_outputs()},
        )
        wanted = [tensor.name for tensor in stage.outputs]

        def infer(faces: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
            outputs: Sequence[NDArray[np.float32]] = session.run(wanted, {FACE.name: faces})
            return outputs

        return infer


@dataclass(frozen=True)
class OpenVino:
    """OpenVINO, on the processor, GPU or NPU of Intel.

    Attributes:
        device: OpenVINO's name of the device.
        tolerance: See `Engine`.
    """

    device: str
    tolerance: float = TOLERANCE["tensorrt"]

    @property
    def one_by_one(self) -> bool:
        """See `Engine`; an NPU takes graphs of one size alone."""
        return True

    def check(self) -> None:
        """See `Engine`."""
        try:
            import openvino
        except ImportError as error:
            raise ConfigurationError(
                f"OpenVINO is not installed ({error}); `pip install 'awarenet[openvino]'`, or choose the engine cpu"
            ) from error
        devices = openvino.Core().available_devices
        if not any(name.split(".")[0] == self.device for name in devices):
            raise ConfigurationError(
                f"OpenVINO finds no {self.device} here, only {', '.join(devices)}; install its driver, or choose "
                "another engine"
            )

    def load(self, stage: Stage, path: Path, threads: int) -> Infer:
        """See `Engine`."""
        import openvino

        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if self.device == "CPU":
            # What is not INT8 stays FP32, as on ONNX Runtime; by itself OpenVINO would take BF16 where it can.
            settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        core = openvino.Core()
        try:
            graph = core.read_model(path)
            _check_contract(stage, path, _signature(graph.inputs), _signature(graph.outputs))
            graph.reshape([1, *FACE.shape])
            model = core.compile_model(graph, self.device, settings)
        except RuntimeError as error:
            raise ModelError(f"{stage.name}: OpenVINO cannot load {path} ({str(error).strip()})") from error
        ports = [model.output(tensor.name) for tensor in stage.outputs]

        def infer(faces: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
            # A request of its own: one may not be used by two threads.
            outputs = model.create_infer_request().infer({FACE.name: faces})
            return [np.array(outputs[port]) for port in ports]

        return infer


CPU: Final = OnnxRuntime(("CPUExecutionProvider",))

_CUDA: Final = ("CUDAExecutionProvider", "CPUExecutionProvider")

ENGINES: Final[Mapping[EngineName, Engine]] = {
    "cpu": CPU,
    "cuda": OnnxRuntime(_CUDA, in_floats=True, tolerance=TOLERANCE["tensorrt"]),
    "tensorrt": OnnxRuntime(("TensorrtExecutionProvider", *_CUDA), in_floats=True, tolerance=TOLERANCE["tensorrt"]),
    "openvino": OpenVino("CPU"),
    "openvino-gpu": OpenVino("GPU"),
    "openvino-npu": OpenVino("NPU"),
}
"""The engines, by the name that a user gives."""


def _check_contract(stage: Stage, path: Path, inputs: Contract, outputs: Contract) -> None:
    for wanted, found in ((stage.inputs, inputs), (stage.outputs, outputs)):
        contract = {tensor.name: (_ONNX_TYPES[tensor.dtype], tensor.shape) for tensor in wanted}
        if found != contract:
            raise ModelError(f"{stage.name}: {path} has tensors {found}, the contract is {contract}; export it again")


def _signature(ports: Any) -> Contract:
    """The tensors of a graph of OpenVINO, in ONNX Runtime's words."""
    types = {"u8": "tensor(uint8)", "f32": "tensor(float)"}
    return {
        port.get_any_name(): (
            types.get(port.get_element_type().get_type_name(), "another type"),
            tuple(None if size.is_dynamic else size.get_length() for size in port.get_partial_shape())[1:],
        )
        for port in ports
    }


def _rewriter() -> Callable[[Path], bytes]:
    """What takes quantisation out of a graph.

    Raises:
        ConfigurationError: The library that rewrites graphs is absent.
    """
    try:
        import onnx

        from awarenet.models.tensorrt import float_graph
    except ImportError as error:
        raise ConfigurationError(f"{error}; install what it needs with `pip install 'awarenet[models]'`") from error
    return lambda path: bytes(float_graph(onnx.load(path)).SerializeToString())
