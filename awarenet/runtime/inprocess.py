"""The cascade in this process: no server, for edge devices, tests and comparisons."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from awarenet.cascade import Decisions, StageCall, StageOutputs, cascade, drive
from awarenet.errors import DeadlineExceeded, InvalidInput, ServiceError
from awarenet.policy import Policy
from awarenet.repository import ModelRepository
from awarenet.runtime.engines import CPU, Engine, Infer
from awarenet.stages import (
    FAST_FILTER,
    MAX_BATCH,
    META_MODEL,
    NETWORKS,
    ROUTES,
    Route,
    Stage,
    validate_face_px,
    validate_faces,
)
from awarenet.trees import CompiledTrees


class InProcessRuntime:
    """Runs the cascade here; safe to use from several threads.

    Args:
        repository: A verified model repository, or the folder of one, which is verified now.
        threads: Processor threads in all. With more than one, the two heavy stages run at once and share them.
        engine: What runs the networks.

    Raises:
        ModelError: A model file is missing, altered, unreadable, or breaks its tensor contract.
        PolicyError: The policy does not belong to the models.
        ConfigurationError: The engine is not installed, or the trees cannot be compiled.
    """

    policy: Policy

    def __init__(
        self,
        repository: ModelRepository | Path,
        *,
        threads: int = 1,
        engine: Engine = CPU,
    ) -> None:
        if threads < 1:
            raise InvalidInput(f"threads must be at least 1, got {threads}")
        engine.check()
        opened = repository if isinstance(repository, ModelRepository) else ModelRepository.open(repository)
        self.policy = opened.policy
        self._trees = CompiledTrees(opened.model_path(META_MODEL))
        step = 1 if engine.one_by_one else MAX_BATCH
        self._networks = {
            # The heavy stages share the threads, because they run at once.
            stage: _Network(
                stage,
                engine.load(stage, opened.model_path(stage), threads if stage is FAST_FILTER else max(1, threads // 2)),
                step,
            )
            for stage in NETWORKS
        }
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
    """One network, whoever runs it, held to its contract in what it gives."""

    def __init__(self, stage: Stage, infer: Infer, step: int) -> None:
        self._stage = stage
        self._infer = infer
        self._step = step

    def run(self, faces: NDArray[np.uint8]) -> StageOutputs:
        """The stage's outputs, each float32 `[M, ...]` and finite."""
        name = self._stage.name
        try:
            parts = [
                self._infer(np.ascontiguousarray(faces[start : start + self._step]))
                for start in range(0, len(faces), self._step)
            ]
        except Exception as error:
            raise ServiceError(f"{name}: the model could not be run ({error})") from error
        columns = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        outputs = dict(zip((tensor.name for tensor in self._stage.outputs), columns, strict=True))
        for output, array in outputs.items():
            if not np.isfinite(array).all():
                raise ServiceError(
                    f"{name}: {output} is not finite; the model file is broken, export it again and check its parity"
                )
        return outputs
