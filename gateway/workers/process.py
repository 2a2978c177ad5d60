"""The worker process: reads one piece of media at a time, finds its faces, has them scored on Triton.

Started by the pool as `python -m gateway.workers.process OPTIONS SOCKET`.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.cascade import Decisions
from awarenet.detector import Detector
from awarenet.errors import (
    AwareNetError,
    DeadlineExceeded,
    InvalidInput,
    MediaTooLarge,
    NotFound,
    ServiceError,
    Unavailable,
    UnsupportedMedia,
)
from awarenet.face_engines import create_detector
from awarenet.faces import FaceBox, crop_face
from awarenet.heatmap import Expected, explain
from awarenet.log import configure
from awarenet.media import read_picture, sniff
from awarenet.policy import Policy
from awarenet.runtime import Runtime
from awarenet.runtime.golden import FACE_PX_OF_GOLDEN
from awarenet.runtime.triton import TritonRuntime
from awarenet.stages import Route
from awarenet.video.live import LiveDetector, LiveSession, LiveState
from gateway.provenance import CredentialReader
from gateway.workers.protocol import TASK_BYTES, Task, WorkerOptions, error_message
from gateway.workers.steps import Steps

_PR_SET_PDEATHSIG: Final = 1
_CONNECT_S: Final = 2.0

_NICE: Final = 5
"""Workers compute without end when there is much to do. The gateway, which also answers those whom it refuses, must not
wait for a core behind them: this gives it three times the share of one of them."""
_HEATMAP_SIDE: Final = 32

Say = Callable[[dict[str, Any]], None]


class _Budgeted:
    """A Triton runtime that is opened when it is first needed, and whose calls end when the task's time is over."""

    def __init__(self, url: str, steps: Steps) -> None:
        self._url = url
        self._steps = steps
        self._runtime: TritonRuntime | None = None
        self._deadline = 0.0
        self._request_id = ""

    def begin(self, task: Task) -> None:
        """Sets time and name for the next task, and forgets a policy that is not the wanted one."""
        self._deadline = time.monotonic() + task.budget_s
        self._request_id = task.request_id
        if self._runtime is not None and task.policy not in (None, self._runtime.policy.version):
            self._runtime.close()
            self._runtime = None

    @property
    def policy(self) -> Policy:
        """The thresholds of the server."""
        return self._open().policy

    def score(
        self,
        faces: NDArray[np.uint8],
        face_px: NDArray[np.float32] | None = None,
        *,
        route: Route = "cascade",
        timeout_s: float | None = None,
    ) -> Decisions:
        """See `awarenet.runtime.Runtime.score`."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded("the time of this request was over before its faces could be scored; send it again")
        with self._steps.step("triton cascade", calls=True, faces=len(faces)) as traceparent:
            return self._open().score(
                faces,
                face_px,
                route=route,
                timeout_s=min(left, timeout_s or left),
                request_id=self._request_id,
                traceparent=traceparent,
            )

    def _open(self) -> TritonRuntime:
        if self._runtime is None:
            left = max(0.1, self._deadline - time.monotonic())
            try:
                self._runtime = TritonRuntime(self._url, timeout_s=min(left, _CONNECT_S), retries=1)
            except DeadlineExceeded as error:
                raise Unavailable(f"the Triton server at {self._url} does not answer; try again later") from error
        return self._runtime

    def close(self) -> None:
        """Frees the connection."""
        if self._runtime is not None:
            self._runtime.close()


class Worker:
    """Does tasks.

    Args:
        options: How it is set up.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._limits = options.limits
        self._steps = Steps()
        self._runtime = _Budgeted(options.server, self._steps)
        self._faces = create_detector(options.face_engine)
        self._heatmap_expected = Path(options.heatmap_expected)
        self._credentials = CredentialReader(options.trust_anchors)
        self._detector = Detector(
            cast(Runtime, self._runtime), self._faces, options.limits, frames=options.frames, step=self._steps.step
        )

    @property
    def face_engine(self) -> str:
        """What finds the faces."""
        return self._faces.name

    def do(self, task: Task, media: Path, say: Say) -> dict[str, Any]:
        """Does one task; every error becomes an answer."""
        self._steps.begin(task.traceparent)
        self._runtime.begin(task)
        return {**self._answer(task, media, say), **self._steps.taken()}

    def _answer(self, task: Task, media: Path, say: Say) -> dict[str, Any]:
        try:
            policy = self._runtime.policy  # Without a server there is no use in decoding.
            if task.kind == "golden":
                return self._golden(media, policy)
            if task.kind == "frame":
                return self._frame(task, media, policy)
            if task.kind == "heatmap":
                return self._heatmap(task, media, policy)
            if task.kind == "picture" and sniff(media).kind == "clip":
                raise UnsupportedMedia(f"{task.name}: is a clip; send it to POST /v1/jobs")
            verdict = self._detector.detect(media, route=task.route, progress=_steps(say))
        except AwareNetError as error:
            return _renamed(error_message(error), media, task.name)
        if verdict.error is not None:
            return _renamed({"error": {"code": verdict.error_code, "message": verdict.error}}, media, task.name)
        with self._steps.step("content credentials"):
            credentials = self._credentials.read_file(media)
        return {"verdict": replace(verdict, path=task.name).to_dict(), "content_credentials": credentials.to_dict()}

    def _frame(self, task: Task, media: Path, policy: Policy) -> dict[str, Any]:
        """The next frame of a live session; the session comes with it and goes back with the answer."""
        with self._steps.step("decode"):
            image = read_picture(media, self._limits).image
        state = None if task.state is None else LiveState.from_json(task.state)
        if state is not None and state.policy_version != policy.version:
            state = None  # Scores of other models do not mix: everybody is looked at anew.
        session = LiveSession(policy, state=state, away_s=task.away_s)
        runtime = cast(Runtime, self._runtime)
        with self._steps.step("look"):
            score = LiveDetector(runtime, self._faces, session, route=task.route).look(image, task.time_s)
        return {
            "score": score.to_dict(),
            "state": session.state().to_json(),
            "model_version": policy.model_version,
            "policy_version": policy.version,
        }

    def _heatmap(self, task: Task, media: Path, policy: Policy) -> dict[str, Any]:
        """Where in a face its score comes from; see `awarenet.heatmap`."""
        expected = Expected.load(self._heatmap_expected)
        if expected.model_version != policy.model_version:
            raise NotFound(
                f"there are no heatmaps for models {policy.model_version}: what real faces show was measured with "
                f"{expected.model_version}; run `python -m benchmarks heatmap --write-expected`"
            )
        image = read_picture(media, self._limits).image
        crop = crop_face(image, _face_at(task, *image.shape[:2]))
        heatmap = explain(cast(Runtime, self._runtime), crop.face, crop.face_px, expected=expected)
        values = cv2.resize(heatmap.values, (_HEATMAP_SIDE, _HEATMAP_SIDE), interpolation=cv2.INTER_AREA)
        left, top = -crop.to_crop[:, 2] / crop.to_crop[0, 0]
        return {
            "heatmap": {
                "region": [round(float(left), 1), round(float(top), 1), crop.face_px, crop.face_px],
                "values": np.round(values.astype(float), 4).tolist(),
                "logit": round(heatmap.logit, 4),
                "model_version": policy.model_version,
            }
        }

    def _golden(self, media: Path, policy: Policy) -> dict[str, Any]:
        """Everything that happens to a picture, but that the whole of it is the face."""
        image = read_picture(media, self._limits).image
        self._faces.detect(image)
        decisions = self._runtime.score(image[None], np.full(1, FACE_PX_OF_GOLDEN, np.float32), route="full")
        return {
            "evidence": np.where(np.isfinite(decisions.evidence), decisions.evidence, 0).tolist(),
            "probability": decisions.probability.tolist(),
            "model_version": policy.model_version,
            "policy_version": policy.version,
        }

    def close(self) -> None:
        """Frees the connection to Triton."""
        self._runtime.close()


def _face_at(task: Task, height: int, width: int) -> FaceBox:
    assert task.box is not None
    left, top, across, down = task.box
    inside = 0 <= left + across / 2 <= width and 0 <= top + down / 2 <= height
    if not (inside and 1 <= across <= max(width, height) and 1 <= down <= max(width, height)):
        raise InvalidInput(
            f"{task.name}: the box {task.box} is no face of a picture of {width} x {height}; give one of a verdict"
        )
    return FaceBox(left, top, across, down, 1.0)


def _steps(say: Say) -> Callable[[float], None]:
    """Says how far a clip has come, in steps of a hundredth."""
    told = 0.0

    def advance(share: float) -> None:
        nonlocal told
        if share >= told + 0.01 or (share >= 1.0 > told):
            told = share
            say({"progress": round(min(share, 1.0), 3)})

    return advance


def _renamed(answer: dict[str, Any], media: Path, name: str) -> dict[str, Any]:
    answer["error"]["message"] = answer["error"]["message"].replace(str(media), name)
    return answer


def _confine(options: WorkerOptions, parent: int) -> None:
    """Sets the limits of this process; it ends with the gateway, whichever way that ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_DATA, (options.memory_bytes, options.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, which ends its workers itself.


def _out_of_memory(task: Task, options: WorkerOptions) -> dict[str, Any]:
    megabytes = options.memory_bytes >> 20
    return error_message(
        MediaTooLarge(f"{task.name}: needs more memory than the {megabytes} MiB that a worker has; scale it down")
    )


def main() -> None:
    """Does tasks until the socket is closed."""
    options, channel = WorkerOptions.decode(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    answers = os.dup(1)
    os.dup2(2, 1)  # Whatever a library prints must not look like an answer.
    _confine(options, int(sys.argv[3]))
    configure("warning", json=True)
    cv2.setNumThreads(1)

    speaking = threading.Lock()  # Progress comes from another thread.

    def say(answer: dict[str, Any]) -> None:
        line = json.dumps(answer, allow_nan=False).encode() + b"\n"
        with speaking:
            while line:
                line = line[os.write(answers, line) :]

    try:
        worker = Worker(options)
    except AwareNetError as error:
        say(error_message(error))
        sys.exit(1)
    say({"ready": worker.face_engine})
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, TASK_BYTES, 1)
        if not message:
            break
        task, (media,) = Task.decode(message), descriptors
        exhausted = False
        say({"begun": True})  # From here on its end may be the media's fault.
        try:
            answer = worker.do(task, Path(f"/proc/self/fd/{media}"), say)
        except MemoryError:
            exhausted, answer = True, _out_of_memory(task, options)
        except cv2.error as error:
            exhausted = error.code == cv2.Error.StsNoMem
            answer = (
                _out_of_memory(task, options) if exhausted else error_message(ServiceError(f"{task.name}: {error}"))
            )
        finally:
            os.close(media)
        say({**answer, "ends": exhausted})
        if exhausted:
            break  # What is left of the memory is in pieces: a fresh process serves better.
    worker.close()


if __name__ == "__main__":
    main()
