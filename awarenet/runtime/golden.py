"""A self-test on values: faces with a known answer, scored by the server and compared.

Triton's health endpoints say that a server runs, not that it is right: with the wrong NumPy its Python backend answers
every request with 200 and corrupted tensors, and with a dead router it stays "ready".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from awarenet.errors import StartupError, WrongAnswer
from awarenet.runtime.installation import python_path
from awarenet.stages import FACE_SIZE

TOLERANCE: Final = {"embedded": 1e-3, "onnxruntime": 0.05, "tensorrt": 0.5}
"""The largest accepted difference of a logit by target: the same engine, another build of it, half precision."""

FACE_PX_OF_GOLDEN: Final = 200.0


def golden_faces() -> NDArray[np.uint8]:
    """Two faces that no detector would find, but whose every pixel matters: a colour ramp, and noise.

    Returns:
        uint8 `[2, 256, 256, 3]`.
    """
    ramp = np.linspace(0, 255, FACE_SIZE, dtype=np.float32)
    smooth = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], (ramp[:, None] + ramp[None, :]) / 2), axis=-1)
    noise = np.random.default_rng(20).integers(0, 256, smooth.shape)
    return np.stack([smooth.astype(np.uint8), noise.astype(np.uint8)])


@dataclass(frozen=True)
class Golden:
    """The known answer.

    Attributes:
        evidence: float32 `[2, F]`, by the full route.
        probability: float32 `[2]`.
    """

    evidence: NDArray[np.float32]
    probability: NDArray[np.float32]

    def check(self, evidence: NDArray[np.float32], probability: NDArray[np.float32], tolerance: float) -> None:
        """Compares a server's answer.

        The probability is compared where the target computes the very same numbers; elsewhere a small difference may
        take another branch in a tree.

        Raises:
            WrongAnswer: The answer differs.
        """
        rows = len(evidence)
        if evidence.shape != self.evidence[:rows].shape or rows == 0:
            raise WrongAnswer(f"self-test: the server answered shape {list(evidence.shape)}; its tensors are corrupted")
        difference = np.abs(evidence - self.evidence[:rows])
        limit = tolerance * np.maximum(1, np.abs(self.evidence[:rows]))
        if not (difference <= limit).all():
            raise WrongAnswer(
                f"self-test: the server's evidence is {evidence.tolist()}, this machine computes "
                f"{self.evidence[:rows].tolist()}; check that numpy<2 is installed and the models are the signed ones"
            )
        if tolerance <= TOLERANCE["embedded"] and not np.allclose(probability, self.probability[:rows], atol=tolerance):
            raise WrongAnswer(
                f"self-test: the server's probability is {probability.tolist()}, expected "
                f"{self.probability[:rows].tolist()}; the meta-model or the policy differs"
            )


def start_computing(repository: Path) -> subprocess.Popen[bytes]:
    """Begins to compute the known answer in a process of its own, so that its memory is freed afterwards."""
    command = [sys.executable, "-m", "awarenet.runtime.golden", str(repository)]
    environment = {**os.environ, "PYTHONPATH": python_path()}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def finish_computing(process: subprocess.Popen[bytes], timeout_s: float) -> Golden:
    """Waits for the answer of `start_computing`.

    Raises:
        StartupError: It could not be computed.
    """
    try:
        output, errors = process.communicate(timeout=timeout_s)
        answer: dict[str, Any] = json.loads(output)
    except (subprocess.TimeoutExpired, ValueError) as error:
        process.kill()
        _, errors = process.communicate()
        reason = errors.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
        raise StartupError(f"self-test: the expected answer could not be computed: {reason[0]}") from error
    return Golden(*(np.array(answer[key], np.float32) for key in ("evidence", "probability")))


def _compute(repository: Path) -> None:
    """Prints the known answer of a repository as JSON."""
    from awarenet.runtime.inprocess import InProcessRuntime

    faces = golden_faces()
    runtime = InProcessRuntime(repository)
    decisions = runtime.score(faces, np.full(len(faces), FACE_PX_OF_GOLDEN, np.float32), route="full")
    answer = {"evidence": decisions.evidence.tolist(), "probability": decisions.probability.tolist()}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _compute(Path(sys.argv[1]))
