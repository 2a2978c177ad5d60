"""What the gateway and its workers say to each other: JSON, never pickles, because a worker touches untrusted media.

A task is one message on a Unix socket, with the media as a file descriptor beside it; an answer is one line on the
worker's standard output.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from awarenet import errors
from awarenet.errors import AwareNetError, ServiceError
from awarenet.face_engines import Engine
from awarenet.heatmap import EXPECTED_FILE
from awarenet.media import MediaLimits
from awarenet.stages import Route

TASK_BYTES: Final = 96 << 10
"""Largest task message; a live session of many people takes some 20 KiB."""

Kind = Literal["picture", "media", "frame", "heatmap", "golden"]


@dataclass(frozen=True)
class Task:
    """One thing to do.

    Attributes:
        kind: `picture` scores a picture, `media` a picture or clip, `frame` the next frame of a live session, `heatmap`
            explains the score of one face of a picture, `golden` answers the question with a known answer: the picture
            is one face.
        name: What the media is called in the verdict and in messages.
        route: `cascade` exits early, `full` runs every stage.
        budget_s: Seconds until nobody wants the answer.
        policy: Version of the policy that the gateway knows; a worker that knows another asks Triton again.
        time_s: Stream time of a frame.
        state: The live session before the frame, as `awarenet.video.live.LiveState.to_json`; None at its beginning.
        away_s: Seconds from the session's last frame to this one.
        box: The face to explain: left, top, width and height in pixels of the oriented picture.
        request_id: What the request is called in logs, here and on Triton.
        traceparent: W3C context of the task's span; None where nothing is traced.
    """

    kind: Kind
    name: str = "media"
    route: Route = "cascade"
    budget_s: float = 30.0
    policy: str | None = None
    time_s: float = 0.0
    state: str | None = None
    away_s: float = 0.0
    box: tuple[float, float, float, float] | None = None
    request_id: str = ""
    traceparent: str | None = None

    def encode(self) -> bytes:
        """The task as a message."""
        return json.dumps(dataclasses.asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> Task:
        """The task in a message."""
        return cls(**json.loads(message))


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker is set up.

    Attributes:
        server: URL of the Triton server.
        face_engine: What finds the faces.
        memory_bytes: Data memory that it may use.
        limits: What is refused before decoding.
        frames: Frames looked at in a clip.
        trust_anchors: PEM certificates under which content credentials are trusted.
        heatmap_expected: File of what real faces show (`awarenet.heatmap.Expected`).
    """

    server: str
    face_engine: Engine
    memory_bytes: int
    limits: MediaLimits
    frames: int
    trust_anchors: str | None = None
    heatmap_expected: str = str(EXPECTED_FILE)

    def encode(self) -> str:
        """The options as a command line argument."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def decode(cls, argument: str) -> WorkerOptions:
        """The options in a command line argument."""
        raw = json.loads(argument)
        return cls(limits=MediaLimits(**raw.pop("limits")), **raw)


def error_message(error: AwareNetError) -> dict[str, Any]:
    """An error as an answer."""
    return {"error": {"code": error.code, "message": str(error)}}


def error_of(answer: dict[str, Any]) -> AwareNetError:
    """The error in an answer, of its own class again."""
    kind = _KINDS.get(str(answer.get("code")), ServiceError)
    return kind(str(answer.get("message")))


_KINDS: Final = errors.kinds()
