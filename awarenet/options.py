"""Options and exit codes that the scoring commands share, so that one word means one thing in all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from awarenet.face_engines import Engine
from awarenet.runtime.choice import DEFAULT_SERVER, SERVER_VARIABLE
from awarenet.stages import Route

BAD_USAGE: Final = 2
SOME_FAILED: Final = 3
INTERRUPTED: Final = 130

InProcess = Annotated[bool, typer.Option("--in-process", help="Run the models here, without a server.")]
Server = Annotated[
    str | None,
    typer.Option(
        help=f"URL of a running server. Without it: ${SERVER_VARIABLE} or {DEFAULT_SERVER} if one answers there, "
        "else this process."
    ),
]
Repository = Annotated[Path, typer.Option(help="The models for this process.")]
RouteChoice = Annotated[Route, typer.Option(help="`full` runs every stage on every face.")]
Frames = Annotated[int, typer.Option(min=1, help="Most frames of a clip whose faces are scored.")]
FaceEngine = Annotated[Engine, typer.Option(help="What finds the faces.")]
