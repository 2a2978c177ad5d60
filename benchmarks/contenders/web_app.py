"""The FastAPI application of the contender `fastapi`: one route over the cascade in-process.

Run as `python -m benchmarks.contenders.web_app REPOSITORY`; prints the port it listens on.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import Body, FastAPI, Response

from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import FACE


def application(repository: Path) -> FastAPI:
    """An application with `POST /score`: raw faces in, raw probabilities out, without JSON or copies in between."""
    runtime = InProcessRuntime(repository, threads=1)
    app = FastAPI()

    # Not async: FastAPI then calls it in a thread, and ONNX Runtime computes on every core.
    @app.post("/score")
    def score(body: bytes = Body(media_type="application/octet-stream")) -> Response:
        faces = np.frombuffer(body, np.uint8).reshape(-1, *FACE.shape)
        return Response(runtime.score(faces).probability.tobytes(), media_type="application/octet-stream")

    return app


def main() -> None:
    """Serves on a free port of this machine until it is told to stop."""
    # The protocol is named, because asyncio turns off Nagle's delay (40 ms here) only on sockets that name it.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    print(listener.getsockname()[1], flush=True)  # noqa: T201, the parent reads it
    app = application(Path(sys.argv[1]))
    # Connections rest while other contenders are measured.
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=3600)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
