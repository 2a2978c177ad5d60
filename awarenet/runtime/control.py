"""Commands to a running Triton server: load, unload, ask."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import tritonclient.grpc as grpcclient
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from awarenet.errors import ServiceError, Unavailable
from awarenet.runtime.golden import FACE_PX_OF_GOLDEN
from awarenet.stages import CASCADE, FACE, FACE_PX

_HEALTH_PRIORITY = 1
"""The level of the cascade's queue that ordinary requests do not use."""


class Control:
    """A connection to one server; safe to use from several threads.

    Args:
        target: `host:port` of the gRPC endpoint.
    """

    def __init__(self, target: str) -> None:
        self._client = grpcclient.InferenceServerClient(target)

    def live(self) -> bool:
        """Whether the server answers at all."""
        try:
            return bool(self._client.is_server_live(client_timeout=2))
        except InferenceServerException:
            return False

    def replace(self, model: str, timeout_s: float) -> None:
        """Loads a model anew, in fresh processes.

        Loading alone would change nothing. The end of the unloading is not waited for: it may never come where a
        process died with a request in its hands.

        Raises:
            ServiceError: The model does not load.
        """
        try:
            self._client.unload_model(model, client_timeout=timeout_s)
            self._client.load_model(model, client_timeout=timeout_s)
        except InferenceServerException as error:
            raise ServiceError(f"Triton cannot load {model} again: {error.message()}") from error

    def retire(self, model: str, timeout_s: float) -> None:
        """Refuses new requests to a model at once, and waits until those under way are answered and it is unloaded.

        Raises:
            ServiceError: It is not unloaded after `timeout_s`; requests may be under way.
        """
        try:
            self._client.unload_model(model, client_timeout=max(1.0, timeout_s))
        except InferenceServerException as error:
            raise ServiceError(f"Triton cannot unload {model}: {error.message()}") from error
        if not wait_for(lambda: self._state(model) != "UNLOADING", timeout_s):
            raise ServiceError(f"{model} was not unloaded in {timeout_s:g} s; its requests under way may fail")

    def _state(self, model: str) -> str:
        """Triton's word for the state of a model; `GONE` where the server does not answer."""
        try:
            index = self._client.get_model_repository_index(client_timeout=5)
        except InferenceServerException:
            return "GONE"
        return next((entry.state for entry in index.models if entry.name == model), "UNAVAILABLE")

    def answered(self, model: str) -> int:
        """How many batches a model has run since it was loaded; 0 where the server does not say."""
        try:
            statistics = self._client.get_inference_statistics(model, client_timeout=5)
        except InferenceServerException:
            return 0
        return sum(int(entry.execution_count) for entry in statistics.model_stats)

    def ask(self, faces: NDArray[np.uint8], timeout_s: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scores faces by the full route, ahead of ordinary requests.

        Returns:
            Evidence float32 `[N, F]` and P(fake) float32 `[N]`.

        Raises:
            Unavailable: The server refuses, is away, or takes too long.
        """
        face = grpcclient.InferInput(FACE.name, list(faces.shape), "UINT8")
        face.set_data_from_numpy(faces)
        face_px = grpcclient.InferInput(FACE_PX.name, [len(faces), 1], "FP32")
        face_px.set_data_from_numpy(np.full((len(faces), 1), FACE_PX_OF_GOLDEN, np.float32))
        try:
            result = self._client.infer(
                CASCADE.name,
                [face, face_px],
                priority=_HEALTH_PRIORITY,
                timeout=int(timeout_s * 1e6),
                client_timeout=timeout_s,
                parameters={"route": "full"},
            )
        except InferenceServerException as error:
            raise Unavailable(f"the cascade does not answer: {error.message()}") from error
        return result.as_numpy("evidence"), result.as_numpy("probability")[:, 0]

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()


def wait_for(condition: Callable[[], bool], timeout_s: float, pause_s: float = 0.05) -> bool:
    """Waits until a condition holds; False when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause_s)
    return True
