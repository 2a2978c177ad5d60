"""The cascade inside Triton, by business logic scripting: `model_repository/cascade/1/model.py` names this class.

All requests that Triton hands over together are joined, and each stage gets one child request for the whole batch: a
child costs a fixed round trip whatever its size. A request that fails, is withdrawn or runs out of time is left out of
the stages that remain and answered by itself; nothing is ever raised, because that would fail the whole batch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from awarenet.cascade import Decisions, Floats, StageCall, StageOutputs, cascade
from awarenet.errors import ModelError
from awarenet.repository import ModelRepository
from awarenet.runtime.cascade_metrics import CascadeMetrics
from awarenet.stages import CASCADE, FACE, FACE_PX, FAST_FILTER, MAX_BATCH, META_MODEL, ROUTES, Stage
from awarenet.trees import CompiledTrees

Rows = NDArray[np.int64]
Failure = tuple[str, int]
"""Message and Triton error code."""


@dataclass(eq=False)
class Member:
    """One request of a batch.

    Attributes:
        request: Triton's request.
        face: Triton's own tensor of faces.
        faces: The same as an array, uint8 `[M, 256, 256, 3]`.
        face_px: float32 `[M]`.
        full: Whether every face goes through every stage.
        deadline: `time.monotonic()` after which the answer is of no use; infinite without a timeout.
        rows: Where its faces lie in the batch.
        failure: Why it gets no decisions; None as long as it does.
    """

    request: Any
    face: Any
    faces: NDArray[np.uint8]
    face_px: Floats
    full: bool
    deadline: float
    rows: slice
    failure: Failure | None = None


class CascadeModel:
    """Drives `awarenet.cascade.cascade` over the stages that this Triton serves."""

    def initialize(self, args: dict[str, str]) -> None:
        """Verifies the model repository and loads policy and trees; Triton calls it once in each instance's process."""
        if json.loads(args["model_config"])["max_batch_size"] > MAX_BATCH:
            raise ModelError(f"cascade: max_batch_size is over {MAX_BATCH}, which is what the stages take; lower it")
        repository = ModelRepository.open(Path(args["model_repository"]).parent)
        self._policy = repository.policy
        self._trees = CompiledTrees(repository.model_path(META_MODEL))
        self._metrics = CascadeMetrics(repository.policy)
        # Stages of one call run at once: the first in Triton's own thread, the second in this one.
        self._beside = ThreadPoolExecutor(1, "stage")

    def finalize(self) -> None:
        """Ends the threads; Triton calls it before it ends the process."""
        self._beside.shutdown()
        self._metrics.close()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers a batch of requests, one response each."""
        arrived = time.monotonic()
        answers: list[Any] = []
        members: list[Member] = []
        start = 0
        for request in requests:
            member = _admit(request, start, arrived)
            answers.append(member)
            if isinstance(member, Member):
                members.append(member)
                start += len(member.faces)
        decisions = self._decide(members) if members else None
        responses = [_respond(answer, decisions) for answer in answers]
        if decisions is not None:
            kept = np.zeros(start, np.bool_)
            for member in members:
                kept[member.rows] = member.failure is None
            self._metrics.decided(decisions, kept)
        self._metrics.failed(failure[1] for failure in map(_failure_of, answers) if failure)
        return responses

    def _decide(self, members: Sequence[Member]) -> Decisions:
        faces = _join([member.faces for member in members])
        face_px = _join([member.face_px for member in members])
        full = np.repeat([member.full for member in members], [len(member.faces) for member in members])
        steps = cascade(faces, face_px, full, self._policy, self._trees.predict)
        try:
            call = next(steps)
            while True:
                call = steps.send(self._run(call, members))
        except StopIteration as end:
            decisions: Decisions = end.value
            return decisions

    def _run(self, call: StageCall, members: Sequence[Member]) -> tuple[StageOutputs, ...]:
        """Runs the stages of a call at once, on the rows of the members that still want an answer."""
        waiting = [member for member in members if member.failure is None and _rows_of(member, call.rows).any()]
        if FAST_FILTER not in call.stages:  # Before it, no time has passed since Triton looked itself.
            for member in waiting:
                member.failure = _overtaken(member)
            waiting = [member for member in waiting if member.failure is None]
        kept = np.zeros(len(call.rows), np.bool_)
        for member in waiting:
            kept |= _rows_of(member, call.rows)
        if not waiting:
            return tuple(_scatter(stage, {}, kept) for stage in call.stages)

        if len(call.stages) == 1 and len(waiting) == 1 and kept.all() and len(kept) == len(waiting[0].faces):
            tensors = [waiting[0].face]  # Triton's own tensor: passed on by handle, not copied.
        else:
            faces = call.faces if kept.all() else call.faces[kept]
            # One for each stage: the requests leave from two threads, and a tensor that both share gets corrupted.
            tensors = [pb_utils.Tensor(FACE.name, faces) for _ in call.stages]
        first, *others = zip(call.stages, tensors, strict=True)
        pending = [self._beside.submit(self._ask, stage, tensor, waiting) for stage, tensor in others]
        outcomes = [self._ask(*first, waiting), *(future.result() for future in pending)]
        return tuple(
            _spread(stage, outcome, kept, waiting, call.rows)
            for stage, outcome in zip(call.stages, outcomes, strict=True)
        )

    def _ask(self, stage: Stage, face: Any, members: Sequence[Member]) -> dict[str, Floats] | Failure:
        """Sends one child request for all members; gives its outputs, or why there are none."""
        left = max(member.deadline for member in members) - time.monotonic()
        traces = (member.request.trace() for member in members)
        request = pb_utils.InferenceRequest(
            model_name=stage.name,
            requested_output_names=[tensor.name for tensor in stage.outputs],
            inputs=[face],
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
            # The longest-lived member decides: a shorter one must not take the others' answer away.
            timeout=0 if left == float("inf") else max(1, int(left * 1e6)),
            trace=next(traces),
        )
        started = time.monotonic()
        try:
            response = request.exec()
        except pb_utils.TritonModelException as error:
            return _failure(stage, str(error), pb_utils.TritonError.INTERNAL)
        self._metrics.ran(stage, time.monotonic() - started)
        if response.has_error():
            return _failure(stage, response.error().message(), response.error().code())
        return {
            tensor.name: pb_utils.get_output_tensor_by_name(response, tensor.name).as_numpy()
            for tensor in stage.outputs
        }


def _admit(request: Any, start: int, arrived: float) -> Member | Failure:
    """Checks what Triton does not: the parameters, and the range of `face_px`."""
    parameters = json.loads(request.parameters() or "{}")
    route = parameters.get("route", ROUTES[0])
    if route not in ROUTES:
        return f"route: expected one of {', '.join(ROUTES)}, got {route!r}", pb_utils.TritonError.INVALID_ARG
    face = pb_utils.get_input_tensor_by_name(request, FACE.name)
    faces = face.as_numpy()
    given = pb_utils.get_input_tensor_by_name(request, FACE_PX.name)
    face_px = np.full(len(faces), np.nan, np.float32) if given is None else given.as_numpy()[:, 0]
    if (face_px <= 0).any() or np.isinf(face_px).any():
        return "face_px: expected sizes in pixels above 0, NaN where unknown", pb_utils.TritonError.INVALID_ARG
    # Triton does not say how long the request has waited; its queue has held it no longer than the timeout.
    timeout = request.timeout()
    deadline = arrived + timeout / 1e6 if timeout else float("inf")
    return Member(request, face, faces, face_px, route == "full", deadline, slice(start, start + len(faces)))


def _overtaken(member: Member) -> Failure | None:
    """Whether the answer has become pointless before it is there."""
    if time.monotonic() >= member.deadline:
        return "deadline exceeded before every stage had run; allow more time", pb_utils.TritonError.UNAVAILABLE
    if member.request.is_cancelled():
        return "the caller withdrew the request", pb_utils.TritonError.CANCELLED
    return None


def _failure(stage: Stage, message: str, code: int) -> Failure:
    # Triton has no fitting code for a stage whose process died, or that is being loaded again; both pass.
    if any(words in message for words in ("is not healthy", "not ready", "no available versions")):
        code = pb_utils.TritonError.UNAVAILABLE
    return f"{stage.name}: {message}", code


def _failure_of(answer: Member | Failure) -> Failure | None:
    return answer.failure if isinstance(answer, Member) else answer


def _respond(answer: Member | Failure, decisions: Decisions | None) -> Any:
    failure = _failure_of(answer)
    if failure is not None:
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(*failure))
    assert isinstance(answer, Member) and decisions is not None
    columns = (
        decisions.probability[answer.rows, None],
        decisions.exit_stage[answer.rows, None],
        decisions.evidence[answer.rows],
    )
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(tensor.name, column) for tensor, column in zip(CASCADE.outputs, columns, strict=True)]
    )


def _spread(
    stage: Stage, outcome: dict[str, Floats] | Failure, kept: NDArray[np.bool_], members: Sequence[Member], rows: Rows
) -> StageOutputs:
    """A stage's outputs for every row of its call, or the members' failures where it gave none."""
    if isinstance(outcome, tuple):
        for member in members:
            member.failure = member.failure or outcome
        return _scatter(stage, {}, kept)
    outputs = outcome if kept.all() else _scatter(stage, outcome, kept)
    finite = [np.isfinite(values).all(axis=1) for values in outputs.values()]
    broken = kept & ~np.logical_and.reduce(finite)
    if broken.any():
        message = f"{stage.name}: gave a value that is not a number; export and check the model again"
        for member in members:
            if (broken & _rows_of(member, rows)).any():
                member.failure = member.failure or (message, pb_utils.TritonError.INTERNAL)
    return outputs


def _scatter(stage: Stage, outputs: StageOutputs, kept: NDArray[np.bool_]) -> StageOutputs:
    """Puts the outputs of the kept rows into their places; the other rows are not a number."""
    filled = {tensor.name: np.full((len(kept), *tensor.shape), np.nan, np.float32) for tensor in stage.outputs}
    for name, values in outputs.items():
        filled[name][kept] = values
    return filled


def _rows_of(member: Member, rows: Rows) -> NDArray[np.bool_]:
    mine: NDArray[np.bool_] = (rows >= member.rows.start) & (rows < member.rows.stop)
    return mine


def _join(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
