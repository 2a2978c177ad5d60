"""The stages inside Triton's Python backend, one process each: `model_repository/<stage>/1/model.py` names them.

They serve the embedded target alone; in NVIDIA's container the networks run on Triton's own backends.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from awarenet.repository import model_path
from awarenet.stages import STAGES, Stage
from awarenet.trees import CompiledTrees

Array = NDArray[Any]


class StageModel(ABC):
    """A served stage: joins the requests that Triton batched, runs them at once, and splits the answer."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the model; Triton calls it once in each instance's process."""
        self._stage = next(stage for stage in STAGES if stage.name == args["model_name"])
        parameters = json.loads(args["model_config"]).get("parameters", {})
        root = Path(args["model_repository"]).parent
        options = {key: int(value["string_value"]) for key, value in parameters.items()}
        self.load(self._stage, model_path(root, self._stage), **options)

    @abstractmethod
    def load(self, stage: Stage, path: Path, **options: int) -> None:
        """Loads the model file; the options are the `parameters` of the model's configuration."""

    @abstractmethod
    def run(self, inputs: dict[str, Array]) -> list[Array]:
        """Runs one batch; outputs in the order of the stage's contract."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers a batch of requests, one response each; a failure is an answer too, never an exception."""
        names = [tensor.name for tensor in self._stage.inputs]
        columns = [
            [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests] for name in names
        ]
        sizes = [len(array) for array in columns[0]]
        joined = {
            name: column[0] if len(column) == 1 else np.concatenate(column)
            for name, column in zip(names, columns, strict=True)
        }
        try:
            outputs = self.run(joined)
        except Exception as error:  # The engine's errors have no common base, and raising here would leak memory.
            failure = pb_utils.TritonError(f"{self._stage.name}: {error}", pb_utils.TritonError.INTERNAL)
            return [pb_utils.InferenceResponse(error=failure) for _ in requests]
        responses = []
        start = 0
        for size in sizes:
            tensors = [
                pb_utils.Tensor(contract.name, output[start : start + size])
                for contract, output in zip(self._stage.outputs, outputs, strict=True)
            ]
            responses.append(pb_utils.InferenceResponse(output_tensors=tensors))
            start += size
        return responses


class NetworkModel(StageModel):
    """An ONNX graph on ONNX Runtime's CPU provider."""

    def load(self, stage: Stage, path: Path, **options: int) -> None:
        """Makes the ONNX Runtime session.

        Args:
            stage: The stage.
            path: The graph.
            options: `threads`, that work on one batch, and `faces_per_run`: a larger batch is run in parts, because on
                a CPU it would be no faster and its activations would take tens of megabytes a face. The threads run
                one part each; a batch that is one part has to wait for one thread.
        """
        import onnxruntime  # Here, so that the process of the trees does not carry it.

        session = onnxruntime.SessionOptions()
        session.intra_op_num_threads = 1
        session.inter_op_num_threads = 1
        session.enable_mem_pattern = False  # A fifth less memory, at the same speed.
        self._session = onnxruntime.InferenceSession(str(path), session, providers=["CPUExecutionProvider"])
        self._outputs = [tensor.name for tensor in stage.outputs]
        self._step = options["faces_per_run"]
        self._threads = ThreadPoolExecutor(options["threads"], stage.name)

    def run(self, inputs: dict[str, Array]) -> list[Array]:
        """Runs the graph."""
        ((name, faces),) = inputs.items()
        parts = [faces[start : start + self._step] for start in range(0, len(faces), self._step)]
        if len(parts) == 1:
            return list(self._session.run(self._outputs, {name: faces}))
        done = self._threads.map(lambda part: self._session.run(self._outputs, {name: part}), parts)
        return [np.concatenate(columns) for columns in zip(*done, strict=True)]


class TreesModel(StageModel):
    """The compiled trees of the meta-model."""

    def load(self, stage: Stage, path: Path, **options: int) -> None:
        """Compiles the trees for this machine, or takes them from the cache."""
        self._trees = CompiledTrees(path)

    def run(self, inputs: dict[str, Array]) -> list[Array]:
        """Predicts P(fake), float32 `[N, 1]`."""
        (features,) = inputs.values()
        return [self._trees.predict(features)[:, None]]
