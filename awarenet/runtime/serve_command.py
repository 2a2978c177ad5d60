"""`awarenet serve`: a Triton server in the foreground, until a signal ends it."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import structlog
import typer

from awarenet.errors import AwareNetError
from awarenet.models.keys import TrustedKey
from awarenet.runtime.choice import DEFAULT_REPOSITORY
from awarenet.runtime.health import HealthEndpoint
from awarenet.runtime.installation import Target
from awarenet.runtime.server import TritonServer
from awarenet.signing import TrustedKeys

_log = structlog.get_logger("serve")


def serve(
    model_repository: Annotated[
        Path, typer.Option(help="Folder of the model repository, as `python -m export assemble` makes it.")
    ] = DEFAULT_REPOSITORY,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every interface.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0 takes a free one.")] = 8000,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="gRPC port; 0 takes a free one.")] = 8001,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Metrics port; 0 takes a free one.")] = 8002,
    target: Annotated[
        Target | None,
        typer.Option(
            help="What runs the networks; by default TensorRT where the models have plans, else ONNX Runtime."
        ),
    ] = None,
    start_timeout: Annotated[float, typer.Option(min=1, help="Seconds until the models must be loaded.")] = 120.0,
    drain_timeout: Annotated[float, typer.Option(min=0, help="Seconds that requests get to finish at the end.")] = 30.0,
    health_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of /livez and /readyz, by the self-test; none without.")
    ] = None,
    connection_age: Annotated[
        float | None, typer.Option(min=1, help="Seconds after which clients are asked to connect anew.")
    ] = None,
    traces_endpoint: Annotated[
        str | None,
        typer.Option(
            envvar="AWARENET_TRACES_ENDPOINT",
            help="OTLP/HTTP address (http://collector:4318) for the spans of traced requests; none without.",
        ),
    ] = None,
    trusted_key: TrustedKey = None,
) -> None:
    """Serves the model repository on Triton until SIGTERM or Ctrl-C; requests under way are finished."""
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    try:
        server = TritonServer(
            model_repository,
            host=host,
            http_port=http_port,
            grpc_port=grpc_port,
            metrics_port=metrics_port,
            target=target,
            start_timeout_s=start_timeout,
            drain_timeout_s=drain_timeout,
            connection_age_s=connection_age,
            traces_endpoint=traces_endpoint,
            trusted=TrustedKeys.named(trusted_key),
        )
        with server, contextlib.ExitStack() as stack:
            # Lines that programs read, too.
            for name, url in (("grpc", server.grpc_url), ("http", server.http_url), ("metrics", server.metrics_url)):
                sys.stdout.write(f"{name:8}{url}\n")
            if health_port is not None:
                health = HealthEndpoint(host, health_port, unready=lambda: server.unready, dead=lambda: server.dead)
                sys.stdout.write(f"health  {stack.enter_context(health).port}\n")
            sys.stdout.flush()
            ending.wait()  # The health endpoint ends first: nobody shall send any more.
            _log.info("draining", at_most_s=drain_timeout)
    except AwareNetError as error:
        sys.stderr.write(f"awarenet serve: {error}\n")
        raise typer.Exit(1) from error
