"""Where the cascade runs: in this process, or on a Triton server. Both answer through one protocol."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from awarenet.cascade import Decisions
from awarenet.policy import Policy
from awarenet.stages import Route


class Runtime(Protocol):
    """Scores face crops.

    Attributes:
        policy: The thresholds in force; also names the model and policy versions.
    """

    policy: Policy

    def score(
        self,
        faces: NDArray[np.uint8],
        face_px: NDArray[np.float32] | None = None,
        *,
        route: Route = "cascade",
        timeout_s: float | None = None,
    ) -> Decisions:
        """Decides a batch of faces of any size (split as the runtime needs), in order.

        Args:
            faces: uint8 `[N, 256, 256, 3]`, RGB; N may be 0.
            face_px: Side of each crop in source pixels, float32 `[N]`, NaN where unknown; None when all are unknown.
            route: `cascade` exits early, `full` runs every stage.
            timeout_s: Seconds until `DeadlineExceeded`; None waits for as long as the runtime's own default.

        Raises:
            TensorError: `faces` breaks the contract.
            ServiceError: The runtime could not answer.
        """
        ...

    def close(self) -> None:
        """Frees connections, threads and shared memory; idempotent."""
        ...
