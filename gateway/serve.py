"""One gateway process: Triton brought up where none is named, the listener, signals, the drain at the end."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
import uvicorn

from awarenet.addresses import local_address
from awarenet.errors import StartupError
from awarenet.runtime.golden import TOLERANCE
from awarenet.runtime.server import TritonServer
from awarenet.signing import TrustedKeys
from gateway.connection import Connection, WebSocketConnection
from gateway.open_files import make_room
from gateway.service import create_app
from gateway.settings import Settings
from gateway.state import first_key, open_state, write_targets

_log = structlog.get_logger("gateway")


def run(settings: Settings) -> None:
    """Serves until SIGTERM or Ctrl-C, then finishes what is under way.

    Raises:
        StartupError: The address is taken, or Triton or the workers do not start.
        AwareNetError: Another reason why it cannot start.
    """
    with ExitStack() as stack:
        _serve(settings, stack)


def _serve(settings: Settings, stack: ExitStack) -> None:
    make_room(settings.streams, settings.connections)
    listener = stack.enter_context(_listen(settings.host, settings.port))
    stores = open_state(settings)
    stack.callback(stores.close)
    key_file = first_key(stores.keys, settings)
    tolerance = TOLERANCE["onnxruntime"]
    metrics = {"awarenet-gateway": f"http://{_address(listener)}/metrics"}
    if settings.server is None:
        ending = _Interrupted()
        with ending:
            triton = stack.enter_context(
                TritonServer(
                    settings.model_repository,
                    drain_timeout_s=settings.drain_timeout_s,
                    traces_endpoint=settings.traces_endpoint,
                    trusted=TrustedKeys.named(settings.trusted_keys.split()),
                )
            )
        if ending.asked:
            return
        url, tolerance = triton.grpc_url, TOLERANCE[triton.target or "onnxruntime"]
        metrics["awarenet-triton"] = triton.metrics_url
    else:
        url = settings.server
    write_targets(settings.state_folder, metrics)
    service = _Server(settings, create_app(settings, stores, url, tolerance=tolerance))
    service.announce(listener, key_file)
    service.run(sockets=[listener])
    if not service.started:
        raise StartupError("the gateway did not start; its log says why")


class _Interrupted:
    """Keeps a signal that comes while Triton starts, which must not be torn in the middle."""

    asked = False

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


class _Server(uvicorn.Server):
    """uvicorn, which at a signal first lets the application drain."""

    def __init__(self, settings: Settings, application: Any) -> None:
        protocol = type("Connection", (Connection,), {"header_timeout_s": settings.header_timeout_s})
        super().__init__(
            uvicorn.Config(
                application,
                loop="uvloop",
                http=protocol,
                ws=WebSocketConnection,
                ws_max_size=settings.frame_bytes + 1,
                ws_max_queue=2,
                ws_per_message_deflate=False,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=list(settings.proxies),
                timeout_keep_alive=settings.keep_alive_s,
                timeout_graceful_shutdown=max(1, round(settings.drain_timeout_s)),
            )
        )
        self._application = application
        self._drain_timeout_s = settings.drain_timeout_s
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._signalled = False

    def announce(self, listener: socket.socket, key_file: Path | None) -> None:
        """Says where the service is, once it is there."""
        self._lines = [f"gateway  http://{_address(listener)}"]
        if key_file is not None:
            self._lines += [f"key      {key_file.read_text(encoding='ascii').strip()}", f"kept in  {key_file}"]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and says so."""
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._loop = asyncio.get_running_loop()
            sys.stdout.write("".join(line + "\n" for line in self._lines))
            sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drains at the first signal, and ends at once at the second."""
        if self._signalled or self._loop is None:
            super().handle_exit(sig, frame)
            return
        self._signalled = True
        # Python runs this between any two steps of the main thread, which may hold a lock: it only asks.
        self._loop.call_soon_threadsafe(self._begin_drain)

    def _begin_drain(self) -> None:
        _log.info("draining", at_most_s=self._drain_timeout_s)
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        lifecycle = self._application.state.services.lifecycle
        if not await lifecycle.drain(self._drain_timeout_s):
            _log.warning("ended with requests under way", in_flight=lifecycle.in_flight)
        self.should_exit = True


def _address(listener: socket.socket) -> str:
    """Where a client on this machine finds a listener."""
    return local_address(*listener.getsockname()[:2])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, because asyncio turns off Nagle's delay only on sockets that name it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise StartupError(
            f"cannot listen on {host} port {port} ({error.strerror}); stop the program that uses it, or give --port"
        ) from error
    return listener
