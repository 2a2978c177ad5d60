"""The cascade on a Triton server, through `awarenet_client`: the only place where the core meets the client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

import awarenet_client as client
import numpy as np
from numpy.typing import NDArray

from awarenet.cascade import Decisions
from awarenet.errors import AwareNetError, Cancelled, DeadlineExceeded, InvalidInput, ServiceError, Unavailable
from awarenet.policy import Policy
from awarenet.stages import Route, validate_face_px, validate_faces

_KINDS: Final[tuple[tuple[type[client.ClientError], type[AwareNetError]], ...]] = (
    (client.InvalidRequest, InvalidInput),
    (client.Unavailable, Unavailable),
    (client.DeadlineExceeded, DeadlineExceeded),
    (client.Cancelled, Cancelled),
    (client.ClientError, ServiceError),
)
"""The client's errors in the project's own words; the first that fits."""


class TritonRuntime:
    """Scores faces on a server; safe to use from several threads.

    Args:
        url: `grpc://host:port` or `http://host:port` (or `grpcs`, `https`).
        timeout_s: Seconds that a call may take where it does not say otherwise.
        retries: How often a call is tried again where the server is unavailable.
        shared_memory: Whether faces go through shared memory; `auto` where the server is on this machine.

    Raises:
        Unavailable: There is no server at the URL.
        PolicyError: The server's policy cannot be read by this version.
        ServiceError: The server is no AWARE-NET server.
    """

    policy: Policy

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 30.0,
        retries: int = 4,
        shared_memory: Literal["auto", True, False] = "auto",
    ) -> None:
        with _translated():
            self._client = client.Client(url, timeout=timeout_s, retries=retries, shared_memory=shared_memory)
        try:
            with _translated():
                self.policy = Policy.from_json(json.dumps(self._client.policy()))
        except BaseException:
            self.close()
            raise

    def score(
        self,
        faces: NDArray[np.uint8],
        face_px: NDArray[np.float32] | None = None,
        *,
        route: Route = "cascade",
        timeout_s: float | None = None,
        request_id: str = "",
        traceparent: str | None = None,
    ) -> Decisions:
        """Decides a batch of faces of any size, in order; see `awarenet.runtime.Runtime.score`.

        Args:
            faces: uint8 `[N, 256, 256, 3]`, RGB; N may be 0.
            face_px: Side of each crop in source pixels, float32 `[N]`, NaN where unknown; None when all are unknown.
            route: `cascade` exits early, `full` runs every stage.
            timeout_s: Seconds until `DeadlineExceeded`; None for the runtime's own default.
            request_id: What the server calls the request in its log.
            traceparent: W3C context that the server's trace goes on with.

        Raises:
            TensorError: `faces` or `face_px` breaks the contract.
            InvalidInput: The route is unknown, or the server refuses the request.
            ServiceError: The server could not answer (`Unavailable`, `DeadlineExceeded`, `Cancelled` among them).
        """
        validate_faces(faces, limit=None)
        sides = validate_face_px(face_px, len(faces))
        with _translated():
            scores = self._client.score(
                faces, sides, route=route, timeout=timeout_s, request_id=request_id, traceparent=traceparent
            )
        return Decisions(scores.probability, scores.exit_stage, scores.evidence)

    def close(self) -> None:
        """Frees connections, threads and shared memory; idempotent."""
        self._client.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except client.ClientError as error:
        kind = next(ours for theirs, ours in _KINDS if isinstance(error, theirs))
        raise kind(str(error)) from error
