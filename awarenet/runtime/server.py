"""The embedded Triton server: verified before it starts, proven on values, minded while it runs, ended cleanly."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from awarenet.addresses import local_address
from awarenet.errors import StartupError
from awarenet.repository import ModelRepository
from awarenet.runtime.control import Control
from awarenet.runtime.golden import TOLERANCE, finish_computing, start_computing
from awarenet.runtime.installation import Installation, Target
from awarenet.runtime.process import TritonProcess
from awarenet.runtime.supervisor import Supervisor
from awarenet.signing import TrustedKeys
from awarenet.stages import STAGES


class TritonServer:
    """A Triton server that serves one model repository; use it as a context manager.

    Args:
        root: Folder of the model repository.
        host: Address to listen on; `0.0.0.0` for every interface.
        http_port: Port of the HTTP endpoint; 0 takes a free one.
        grpc_port: Port of the gRPC endpoint; 0 takes a free one.
        metrics_port: Port of the metrics endpoint; 0 takes a free one.
        target: What runs the networks; None for TensorRT where the repository has plans and the server is NVIDIA's
            (`awarenet models plans`), else for what the server brings.
        start_timeout_s: Seconds until the models must be loaded.
        drain_timeout_s: Seconds that requests under way get at the end.
        connection_age_s: Seconds after which clients are asked to connect anew, so that they learn which servers there
            are; None for never.
        traces_endpoint: OTLP/HTTP address to send OpenTelemetry spans of the cascade and its stages to, for requests
            that come with a W3C context (Triton does not look whether it is sampled); None sends none.
        trusted: Keys of those who may sign the repository; None asks for no signature.
    """

    def __init__(
        self,
        root: Path,
        *,
        host: str = "127.0.0.1",
        http_port: int = 0,
        grpc_port: int = 0,
        metrics_port: int = 0,
        target: Target | None = None,
        start_timeout_s: float = 120.0,
        drain_timeout_s: float = 30.0,
        connection_age_s: float | None = None,
        traces_endpoint: str | None = None,
        trusted: TrustedKeys | None = None,
    ) -> None:
        self._root = root.resolve()
        self._trusted = trusted
        self._host = host
        self._ports = [http_port, grpc_port, metrics_port]
        self._target = target
        self._start_timeout_s = start_timeout_s
        self._drain_timeout_s = drain_timeout_s
        self._connection_age_s = connection_age_s
        self._traces_endpoint = traces_endpoint
        self._process: TritonProcess | None = None
        self._supervisor: Supervisor | None = None
        self._open = contextlib.ExitStack()

    def start(self) -> None:
        """Verifies the repository, starts the server and returns when it has passed its self-test.

        Raises:
            ModelError: A file of the repository is missing or was altered, or it is not signed as it must be.
            PolicyError: The policy was made for other models.
            StartupError: No server, a port is taken, the server does not start, or it answers wrongly.
        """
        repository = ModelRepository.open(self._root, self._trusted)
        installation = Installation.find(self._target, plans=repository.has_plans)
        self._ports = _claim(self._host, self._ports)
        with self._open:
            golden = start_computing(self._root)
            self._open.callback(golden.kill)
            process = TritonProcess(installation, self._options(installation.target))
            self._open.callback(process.close)
            control = Control(self.grpc_url.removeprefix("grpc://"))
            self._open.callback(control.close)
            supervisor = Supervisor(
                process,
                control,
                finish_computing(golden, self._start_timeout_s),
                TOLERANCE[installation.target],
                self._start_timeout_s,
                self._drain_timeout_s,
            )
            supervisor.bring_up()
            self._open.callback(supervisor.bring_down)
            self._process, self._supervisor, self._target = process, supervisor, installation.target
            self._open = self._open.pop_all()  # Kept for `stop`; anything raised before unwinds here.

    def stop(self) -> None:
        """Refuses new requests, finishes those under way, ends the server, and removes what it left; idempotent."""
        self._process = self._supervisor = None
        self._open.close()

    @property
    def target(self) -> Target | None:
        """What runs the networks, once it is started; before, what was asked for."""
        return self._target

    @property
    def http_url(self) -> str:
        """Where the HTTP endpoint listens, for a client on this machine."""
        return f"http://{self._address(0)}"

    @property
    def grpc_url(self) -> str:
        """Where the gRPC endpoint listens, for a client on this machine."""
        return f"grpc://{self._address(1)}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads."""
        return f"http://{self._address(2)}/metrics"

    @property
    def pid(self) -> int:
        """Process id of the running `tritonserver`; it changes when the server is started anew. 0 when stopped."""
        return self._process.pid if self._process else 0

    @property
    def unready(self) -> str | None:
        """Why no requests should come, by the last question with a known answer; None for no reason."""
        return self._supervisor.unready if self._supervisor else "it does not run"

    @property
    def dead(self) -> str | None:
        """Why it does not come back by itself; None while it may."""
        return self._supervisor.dead if self._supervisor else "it does not run"

    def __enter__(self) -> TritonServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _address(self, which: int) -> str:
        return local_address(self._host, self._ports[which])

    def _options(self, target: Target) -> list[str]:
        http, grpc, metrics = self._ports
        options = [
            f"--model-repository={self._root}",
            "--model-control-mode=explicit",  # Lets the supervisor load a model again.
            *(f"--load-model={stage.name}" for stage in STAGES),
            "--disable-auto-complete-config",
            "--strict-readiness=true",
            "--exit-timeout-secs=5",  # The supervisor has drained by then.
            f"--http-address={self._host}",
            f"--http-port={http}",
            f"--grpc-address={self._host}",
            f"--grpc-port={grpc}",
            f"--metrics-address={self._host}",
            f"--metrics-port={metrics}",
            "--log-info=false",
        ]
        if self._connection_age_s is not None:
            options.append(f"--grpc-max-connection-age={round(self._connection_age_s * 1000)}")
        if self._traces_endpoint is not None:
            # Rate 0 draws no requests of its own: the caller's context alone says what is traced.
            address = f"opentelemetry,url={self._traces_endpoint.rstrip('/')}/v1/traces"
            settings = ("mode=opentelemetry", "level=TIMESTAMPS", "rate=0", address)
            options += [f"--trace-config={setting}" for setting in settings]
        if target == "embedded":
            options += ["--allow-gpu-metrics=false", "--pinned-memory-pool-byte-size=0"]
        else:
            options += [f"--model-config-name={target}"]
        return options


def _claim(host: str, ports: Sequence[int]) -> list[int]:
    """Checks that the ports are free, and chooses those that are 0.

    Raises:
        StartupError: One is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    claimed = []
    with contextlib.ExitStack() as sockets:
        for port, endpoint in zip(ports, ("http", "grpc", "metrics"), strict=True):
            probe = sockets.enter_context(socket.socket(family, socket.SOCK_STREAM))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise StartupError(
                    f"cannot listen on {host} port {port} ({error.strerror}); stop the program that uses it, "
                    f"or choose another with --{endpoint}-port"
                ) from error
            claimed.append(probe.getsockname()[1])
    return claimed
