"""`python -m gateway`: the service, and commands for whoever runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from awarenet.errors import AwareNetError
from awarenet.log import configure
from gateway.admin import commands
from gateway.settings import Settings
from gateway.state import open_state

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for _name, _group in commands(lambda: open_state(Settings.load())).items():
    app.add_typer(_group, name=_name)


@app.callback()
def _commands() -> None:
    """The AWARE-NET gateway."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one [8080].")] = None,
    server: Annotated[
        str | None, typer.Option(help="URL of a Triton server that runs elsewhere; without it one is started here.")
    ] = None,
    model_repository: Annotated[Path | None, typer.Option(help="The models [model_repository].")] = None,
    state_folder: Annotated[Path | None, typer.Option(help="Keys, jobs and the audit log [.awarenet].")] = None,
) -> None:
    """Serves until SIGTERM or Ctrl-C, then finishes what is under way.

    Every other setting is an environment variable AWARENET_...; see gateway/settings.py.
    """
    given = {
        "host": host,
        "port": port,
        "server": server,
        "model_repository": model_repository,
        "state_folder": state_folder,
    }
    # Workers are started by fork and exec. gRPC cannot know the exec and complains, unless told before its import.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    try:
        settings = Settings.load(**{name: value for name, value in given.items() if value is not None})
        configure(settings.log_level, json=settings.log_json)
        from gateway.serve import run

        run(settings)
    except AwareNetError as error:
        sys.stderr.write(f"gateway: {error}\n")
        raise typer.Exit(1) from error


@app.command()
def drain(
    after: Annotated[
        float, typer.Option(min=0, help="Seconds in which requests are still taken, until nobody sends any more.")
    ] = 0.0,
) -> None:
    """Has the gateway on this machine finish what is under way and take nothing new; exit 1 when something was left."""
    from gateway.drain import drain as empty

    try:
        drained = empty(Settings.load(), after)
    except AwareNetError as error:
        sys.stderr.write(f"gateway: {error}\n")
        raise typer.Exit(1) from error
    if not drained:
        sys.stderr.write("gateway: requests are under way still; they get as long again when it is told to end\n")
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
