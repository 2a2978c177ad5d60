"""A client that runs the cascade itself: one gRPC request to Triton per stage instead of one per batch."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import tritonclient.grpc as grpc
from numpy.typing import NDArray

from awarenet.cascade import StageCall, StageOutputs, cascade, drive
from awarenet.repository import ModelRepository
from awarenet.stages import FACE, META_MODEL, Stage
from awarenet.trees import CompiledTrees
from benchmarks.contender import Contender, Faces, Running, Score
from benchmarks.contenders.service import Service


def contender(service: Service, repository: ModelRepository) -> Contender:
    """Makes the contender; each caller has a connection of its own, and asks both heavy stages at once.

    Args:
        service: The running server, the same one as the cascade in Triton uses.
        repository: Its model repository, for the policy and the trees, which run in the client.
    """
    trees = CompiledTrees(repository.model_path(META_MODEL))

    @contextmanager
    def opened() -> Iterator[Running]:
        clients: list[grpc.InferenceServerClient] = []
        with ThreadPoolExecutor(32) as pool:

            def connect() -> Score:
                client = grpc.InferenceServerClient(service.grpc_url.removeprefix("grpc://"))
                clients.append(client)

                def run(call: StageCall) -> tuple[StageOutputs, ...]:
                    if len(call.stages) == 1:
                        return (_ask(client, call.stages[0], call.faces),)
                    return tuple(pool.map(lambda stage: _ask(client, stage, call.faces), call.stages))

                def score(faces: Faces) -> NDArray[np.float32]:
                    unknown, doubtful = np.full(len(faces), np.nan, np.float32), np.zeros(len(faces), np.bool_)
                    return drive(cascade(faces, unknown, doubtful, repository.policy, trees.predict), run).probability

                return score

            try:
                yield Running(connect)
            finally:
                for client in clients:
                    client.close()

    return Contender("client_cascade", "a client that runs the cascade itself, over gRPC to the stages", opened)


def _ask(client: grpc.InferenceServerClient, stage: Stage, faces: Faces) -> StageOutputs:
    tensor = grpc.InferInput(FACE.name, list(faces.shape), "UINT8")
    tensor.set_data_from_numpy(np.ascontiguousarray(faces))
    answer = client.infer(stage.name, [tensor])
    return {output.name: answer.as_numpy(output.name) for output in stage.outputs}
