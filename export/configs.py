"""Checks a model repository's `config.pbtxt` files: Triton's own schema, and the contracts of `awarenet.stages`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from awarenet.errors import ModelError
from awarenet.repository import VERSION_FOLDER
from awarenet.stages import MAX_BATCH, NETWORKS, STAGES, Stage, Tensor

TARGETS: Final = ("config.pbtxt", "configs/onnxruntime.pbtxt", "configs/tensorrt.pbtxt")
"""The configuration of a model for each serving target: embedded, ONNX Runtime, TensorRT."""

_FIL_TENSORS: Final = {"input__0", "output__0"}
"""The names that Triton's FIL backend prescribes, whatever ours are."""


def read_config(path: Path) -> Any:
    """Reads a `config.pbtxt` with Triton's own schema.

    Returns:
        The `ModelConfig` message.

    Raises:
        ModelError: The file is missing, or Triton would not read it.
    """
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    except OSError as error:
        raise ModelError(f"{path}: cannot read it ({error}); the model repository's template has one") from error
    except text_format.ParseError as error:
        raise ModelError(f"{path}: not a Triton model configuration ({error})") from error


def check_configs(root: Path) -> None:
    """Checks every configuration of every stage under `root`.

    Raises:
        ModelError: A configuration is missing, is not Triton's, or declares something else than the stage's contract.
    """
    for stage in STAGES:
        for target in TARGETS:
            path = root / stage.name / target
            if path.is_file() or target == TARGETS[0]:
                _check(stage, path, read_config(path))


def _check(stage: Stage, path: Path, config: Any) -> None:
    if config.name not in ("", stage.name):
        raise ModelError(f"{path}: it is named {config.name}, its folder {stage.name}")
    if config.max_batch_size != MAX_BATCH:
        raise ModelError(f"{path}: max_batch_size is {config.max_batch_size}, awarenet.stages.MAX_BATCH is {MAX_BATCH}")
    if not config.backend and not config.platform:
        raise ModelError(f"{path}: it names no backend; nothing here relies on auto-completion")
    _check_queue(stage, path, config)
    named = config.default_model_filename
    if config.backend != "tensorrt" and named and not (path.parents[_depth(path)] / VERSION_FOLDER / named).is_file():
        raise ModelError(f"{path}: default_model_filename {named} does not lie in {stage.name}/{VERSION_FOLDER}")
    _check_tensors(path, "input", config.input, stage.inputs)
    _check_tensors(path, "output", config.output, stage.outputs)


def _check_queue(stage: Stage, path: Path, config: Any) -> None:
    if stage in NETWORKS and config.backend == "python":
        # Triton's batcher can miss its wake-up and then sleeps for 500 ms. Here it would gain nothing either: the
        # router sends whole batches, one for each of its instances at most, and its own queue is the bound.
        if config.HasField("dynamic_batching"):
            raise ModelError(f"{path}: a network behind the router needs no batcher; remove dynamic_batching")
    elif not config.dynamic_batching.default_queue_policy.max_queue_size:
        raise ModelError(f"{path}: its queue has no limit; set dynamic_batching.default_queue_policy.max_queue_size")


def _depth(path: Path) -> int:
    return 1 if path.parent.name == "configs" else 0


def _check_tensors(path: Path, kind: str, declared: Iterable[Any], contract: tuple[Tensor, ...]) -> None:
    found = {tensor.name: tensor for tensor in declared}
    if found.keys() <= _FIL_TENSORS and len(contract) == 1:
        found = {contract[0].name: next(iter(found.values()))} if found else {}
    for wanted in contract:
        tensor = found.pop(wanted.name, None)
        if tensor is None:
            raise ModelError(f"{path}: {kind} {wanted.name} is missing")
        data_type = model_config_pb2.DataType.Name(tensor.data_type)
        if data_type != triton_type(wanted.dtype) or tuple(tensor.dims) != wanted.shape:
            raise ModelError(
                f"{path}: {kind} {wanted.name} is {data_type} {list(tensor.dims)}, "
                f"the contract is {triton_type(wanted.dtype)} {list(wanted.shape)}"
            )
        if kind == "input" and tensor.optional != wanted.optional:
            raise ModelError(f"{path}: input {wanted.name} must {'' if wanted.optional else 'not '}be optional")
    if found:
        raise ModelError(f"{path}: {kind} {', '.join(sorted(found))} is in no contract")


def triton_type(dtype: str) -> str:
    """Triton's name of a NumPy dtype, for instance `TYPE_FP32` of `float32`."""
    return {"float32": "TYPE_FP32", "int32": "TYPE_INT32", "uint8": "TYPE_UINT8"}[dtype]
