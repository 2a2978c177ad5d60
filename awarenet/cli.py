"""The command line: `awarenet detect | watch | serve | probe | evaluate | models | edge | fetch-face-model`.

Each command lives in its own room and is imported when it is called, so that none pays for another's libraries.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any, Final, Literal

import typer
import typer.core

from awarenet import __version__

_COMMANDS: Final = {
    "detect": "awarenet.detect_command:detect",
    "watch": "awarenet.watch_command:watch",
    "serve": "awarenet.runtime.serve_command:serve",
    "probe": "awarenet.probe_command:probe",
    "evaluate": "awarenet.evaluation.command:evaluate",
    "models": "awarenet.models.command:app",
    "edge": "awarenet.edge.command:app",
    "fetch-face-model": "awarenet.cli:fetch_face_model",
}
"""Command to the module and the function, or group of commands, behind it."""


class _LazyGroup(typer.core.TyperGroup):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        module, function = _COMMANDS[cmd_name].split(":")
        try:
            target = getattr(importlib.import_module(module), function)
        except ImportError as error:
            target = _not_installed(cmd_name, error)
        if isinstance(target, typer.Typer):
            group = typer.main.get_command(target)
            group.name = cmd_name
            return group
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(cmd_name)(target)
        return typer.main.get_command(alone)


def _not_installed(name: str, error: ImportError) -> Any:
    def command() -> None:
        sys.stderr.write(f"awarenet {name}: {error}; install what it needs with `pip install 'awarenet[serve]'`\n")
        raise typer.Exit(1)

    command.__doc__ = f"(not installed: {error})"
    return command


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"awarenet {__version__}\n")
        raise typer.Exit


@app.callback()
def _set_up(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="Least severity of log lines (on stderr).")
    ] = "info",
) -> None:
    """Finds deepfakes in pictures, clips and live streams."""
    from awarenet.log import configure

    configure(log_level)


def fetch_face_model() -> None:
    """Downloads the YuNet face detector from its authors into the cache and checks its sha256."""
    from awarenet.errors import AwareNetError
    from awarenet.face_engines.yunet import fetch_model

    try:
        sys.stdout.write(f"{fetch_model()}\n")
    except AwareNetError as error:
        sys.stderr.write(f"awarenet fetch-face-model: {error}\n")
        raise typer.Exit(1) from error


def main() -> None:
    """Entry point of the `awarenet` program."""
    app(prog_name="awarenet")


if __name__ == "__main__":
    main()
