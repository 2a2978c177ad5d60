"""`python -m training`: from data sets to trained, calibrated and stacked stages."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from typer.core import TyperGroup

from awarenet.errors import AwareNetError

COMMANDS = {
    "manifest": "training.commands:manifest",
    "crop": "training.crops:command",
    "reconstruct": "training.forgeries.autoencoder:command",
    "measure-loader": "training.loader:command",
    "train": "training.trainer:command",
    "average": "training.averaging:command",
    "quantize": "training.quantize:command",
    "logits": "training.commands:logits",
    "calibrate": "training.commands:calibrate",
    "stack": "training.commands:stack",
    "policy": "training.commands:policy",
    "card": "training.commands:card",
    "finish": "training.commands:finish",
    "keep": "training.commands:keep",
}
"""Name of each command and where its function is; only the one that is called is imported."""


class LazyCommands(TyperGroup):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: object) -> list[str]:
        """The names, in the order in which a project meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> Any:
        """The command of a name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name].split(":")
        command = typer.Typer(add_completion=False)
        command.command(cmd_name)(getattr(importlib.import_module(module), function))
        return typer.main.get_command(command)


app = typer.Typer(cls=LazyCommands, help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _root() -> None: ...


def main() -> None:
    """Runs the command line; an error of ours is one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(show_path=False)])
    try:
        app()
    except AwareNetError as error:
        Console(stderr=True).print(f"[bold red]{error.code}[/]: {error}")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
