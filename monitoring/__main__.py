"""`python -m monitoring`: writes the dashboards, and watches a service that runs on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from awarenet.errors import AwareNetError

app = typer.Typer(help="Monitoring of AWARE-NET.", no_args_is_help=True, add_completion=False)


@app.command()
def dashboards() -> None:
    """Writes monitoring/dashboards/*.json, which Grafana imports."""
    from monitoring.dashboards import write

    for path in write():
        sys.stdout.write(f"{path}\n")


@app.command()
def observe(
    state_folder: Annotated[Path, typer.Option(help="The gateway's state folder.")] = Path(".awarenet"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Prometheus.")] = 9090,
    alertmanager_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Alertmanager.")] = 9093,
) -> None:
    """Runs Prometheus and Alertmanager beside a running `make serve`, until Ctrl-C."""
    from monitoring.observe import run

    try:
        run(state_folder, port, alertmanager_port)
    except AwareNetError as error:
        sys.stderr.write(f"monitoring: {error}\n")
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
