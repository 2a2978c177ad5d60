"""The cascade in this process, on ONNX Runtime: no server, for edge devices, tests and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from awarenet.cascade import Decisions, StageCall, StageOutputs, cascade, drive
from awarenet.errors import ConfigurationError, DeadlineExceeded, InvalidInput, ModelError, ServiceError
from awarenet.policy import Policy
from awarenet.repository import ModelRepository
from awarenet.stages import MAX_BATCH, META_MODEL, NETWORKS, ROUTES, Route, Stage, validate_face_px, validate_faces
from awarenet.trees import CompiledTrees

_ONNX_TYPES: Final = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}


class InProcessRuntime:
    """Runs the cascade here; safe to use from several threads.

    Args:
        repository: A verified model repository, or the folder of one, which is verified now.
        threads: Processor threads in all. With more than one, the two heavy stages run at once and share them.
        providers: ONNX Runtime execution providers, best first (for instance `CUDAExecutionProvider` on a Jetson).

    Raises:
        ModelError: A model file is missing, altered, unreadable, or breaks its tensor contract.
        PolicyError: The policy does not belong to the models.
        ConfigurationError: A provider is not installed, or the trees cannot be compiled.
    """

    policy: Policy

    def __init__(
        self,
        repository: ModelRepository | Path,
        *,
        threads: int = 1,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        if threads < 1:
            raise InvalidInput(f"threads must be at least 1, got {threads}")
        absent = set(providers) - set(ort.get_available_providers())
        if absent or not providers:
            raise ConfigurationError(
                f"ONNX Runtime here has no {', '.join(sorted(absent)) or 'provider to choose from'}; "
                f"available: {', '.join(ort.get_available_providers())}"
            )
        opened = repository if isinstance(repository, ModelRepository) else ModelRepository.open(repository)
        self.policy = opened.policy
        self._trees = CompiledTrees(opened.model_path(META_MODEL))
        self._networks = {stage: _Network(stage, opened.model_path(stage), threads, providers) for stage in NETWORKS}
        self._pool = ThreadPoolExecutor(2, "awarenet-stage") if threads > 1 else None

    def score(
        self,
        faces: NDArray[np.uint8],
        face_px: NDArray[np.float32] | None = None,
        *,
        route: Route = "cascade",
        timeout_s: float | None = None,
    ) -> Decisions:
        """Decides a batch of faces of any size, in order; see `awarenet.runtime.Runtime.score`.

        A stage that runs is not interrupted: the deadline is looked at before each stage and at the end.

        Raises:
            TensorError: `faces` or `face_px` breaks the contract.
            DeadlineExceeded: The time is over.
            ServiceError: A stage failed or gave numbers that are not finite, or the runtime is closed.
        """
        deadline = float("inf") if timeout_s is None else monotonic() + timeout_s
        networks = self._check_open()
        validate_faces(faces, limit=None)
        if route not in ROUTES:
            raise InvalidInput(f"route: expected one of {', '.join(ROUTES)}, got {route!r}")
        sides = validate_face_px(face_px, len(faces))

        def check_time(what: str) -> None:
            if monotonic() >= deadline:
                raise DeadlineExceeded(f"{timeout_s} s passed before {what}; allow more time or send fewer faces")

        def run(call: StageCall) -> tuple[StageOutputs, ...]:
            check_time(" and ".join(stage.name for stage in call.stages) + " could run")
            return self._run(networks, call)

        parts = []
        for start in range(0, max(1, len(faces)), MAX_BATCH):
            part = slice(start, start + MAX_BATCH)
            full = np.full(len(faces[part]), route == "full")
            parts.append(drive(cascade(faces[part], sides[part], full, self.policy, self._trees.predict), run))
        check_time("the answer was there")
        if len(parts) == 1:
            return parts[0]
        return Decisions(
            np.concatenate([part.probability for part in parts]),
            np.concatenate([part.exit_stage for part in parts]),
            np.concatenate([part.evidence for part in parts]),
        )

    def close(self) -> None:
        """Frees threads and models; idempotent."""
        self._networks = {}  # calls under way hold what they run
        if self._pool is not None:
            self._pool.shutdown()

    def _check_open(self) -> dict[Stage, _Network]:
        networks = self._networks
        if not networks:
            raise ServiceError("this in-process runtime is closed; make a new one")
        return networks

    def _run(self, networks_by_stage: dict[Stage, _Network], call: StageCall) -> tuple[StageOutputs, ...]:
        networks = [networks_by_stage[stage] for stage in call.stages]
        if self._pool is None or len(networks) == 1:
            return tuple(network.run(call.faces) for network in networks)
        return tuple(self._pool.map(lambda network: network.run(call.faces), networks))


class _Network:
    """One network on ONNX Runtime, held to its contract."""

    def __init__(self, stage: Stage, path: Path, threads: int, providers: Sequence[str]) -> None:
        self._stage = stage
        options = ort.SessionOptions()
        # The heavy stages share the threads, because they run at once.
        options.intra_op_num_threads = threads if stage is NETWORKS[0] else max(1, threads // 2)
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # a fifth less memory, at the same speed
        # Waiting threads that spin take the processor from the other stage.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = ort.InferenceSession(str(path), options, providers=list(providers), enable_fallback=0)
        except Exception as error:  # ONNX Runtime raises many types, none of them documented
            raise ModelError(f"{stage.name}: ONNX Runtime cannot load {path} ({error})") from error
        # On a CPU a batch is no faster than its faces, and its activations take tens of megabytes a face.
        self._step = 1 if list(providers) == ["CPUExecutionProvider"] else MAX_BATCH
        self._check(path)

    def _check(self, path: Path) -> None:
        for wanted, given in (
            (self._stage.inputs, self._session.get_inputs()),
            (self._stage.outputs, self._session.get_outputs()),
        ):
            contract = {tensor.name: (_ONNX_TYPES[tensor.dtype], tensor.shape) for tensor in wanted}
            found = {node.name: (node.type, tuple(node.shape[1:])) for node in given}
            if found != contract:
                raise ModelError(
                    f"{self._stage.name}: {path} has tensors {found}, the contract is {contract}; export it again"
                )

    def run(self, faces: NDArray[np.uint8]) -> StageOutputs:
        """The stage's outputs, each float32 `[M, ...]` and finite."""
        name = self._stage.name
        wanted = [tensor.name for tensor in self._stage.outputs]
        try:
            parts = [
                self._session.run(
                    wanted, {self._stage.inputs[0].name: np.ascontiguousarray(faces[start : start + self._step])}
                )
                for start in range(0, len(faces), self._step)
            ]
        except Exception as error:
            raise ServiceError(f"{name}: ONNX Runtime failed ({error})") from error
        columns = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        outputs = dict(zip(wanted, columns, strict=True))
        for output, array in outputs.items():
            if not np.isfinite(array).all():
                raise ServiceError(
                    f"{name}: {output} is not finite; the model file is broken, export it again and check its parity"
                )
        return outputs
