"""Connections that are held: thousands of WebSockets and idle HTTP connections to the real gateway, each proved alive.

All are open at once before the first is looked at. Then every HTTP connection gets another request, every WebSocket a
ping, and some a frame that must come back judged.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar

import cv2
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect

from awarenet.errors import ServiceError
from benchmarks.contenders.service import serve
from benchmarks.gateway import SETTINGS, Gateway, start_gateway
from benchmarks.machine import allow_descriptors, describe

AT_ONCE: Final = 64
"""Connections that are being opened or looked at together."""
PATIENCE_S: Final = 120.0
HELD_S: Final = 3600
"""Time that the gateway lets a connection idle here; opening all of them takes a while on a small machine."""

T = TypeVar("T")
Http = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def measure(repository: Path, *, http: int, streams: int, frames: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Opens the connections, proves them alive, and says what they cost.

    Args:
        repository: The models.
        http: Idle HTTP connections.
        streams: WebSockets.
        frames: How many of the WebSockets get a frame judged.
        say: Told what is being done.

    Raises:
        StartupError: This process may not open as many files.
    """
    allow_descriptors(http + streams + 512)
    settings = SETTINGS | {
        "STREAMS": str(streams + 16),
        "CONNECTIONS": str(http + 16),
        "KEEP_ALIVE_S": str(HELD_S),
        "STREAM_IDLE_S": str(HELD_S),
        "FRAME_TIMEOUT_S": "60",
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        triton = stack.enter_context(serve(repository))
        gateway = stack.enter_context(start_gateway(triton.grpc_url, repository, folder / "state", **settings))
        return asyncio.run(_hold(gateway, http, streams, frames, say)) | {"machine": describe()}


async def _hold(gateway: Gateway, http: int, streams: int, frames: int, say: Callable[[str], None]) -> dict[str, Any]:
    process = psutil.Process(gateway.pid)
    errors: Counter[str] = Counter()
    megabytes = {"before": process.memory_info().rss / 2**20}
    begun = time.perf_counter()
    say(f"opening {http} HTTP connections")
    idle = await _each(range(http), lambda _: _dial(gateway), errors)
    megabytes["with_http"] = process.memory_info().rss / 2**20
    say(f"opening {streams} WebSockets")
    sockets = await _each(range(streams), lambda _: _stream(gateway), errors)
    megabytes["with_all"] = process.memory_info().rss / 2**20
    opened_s = time.perf_counter() - begun
    held = len([one for one in process.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED])
    say("asking each whether it lives")
    answered = await _each(idle, _alive, errors)
    pongs = await _each(sockets, _ping, errors)
    frame = _frame()
    some = sockets[:: max(1, len(sockets) // max(1, frames))][:frames]
    # One after the other: a stream is not told of a frame that came while too many others waited.
    verdicts = await _each(some, lambda socket: _judge(socket, frame), errors, at_once=1)
    result = {
        "http": {"asked_for": http, "opened": len(idle), "answered_again": len(answered)},
        "streams": {"asked_for": streams, "opened": len(sockets), "pongs": len(pongs)},
        "frames": {"sent": len(some), "judged": len(verdicts)},
        "established_at_the_gateway": held,
        "errors": dict(errors),
        "opened_in_s": opened_s,
        "gateway_mb": megabytes,
        "kb_a_http_connection": (megabytes["with_http"] - megabytes["before"]) * 1024 / max(1, http),
        "kb_a_stream": (megabytes["with_all"] - megabytes["with_http"]) * 1024 / max(1, streams),
    }
    say("closing")
    for _, writer in idle:
        writer.close()
    await _each(sockets, lambda one: one.close(), errors)
    return result


async def _each(
    items: Iterable[Any], work: Callable[[Any], Awaitable[T]], errors: Counter[str], *, at_once: int = AT_ONCE
) -> list[T]:
    """Does work for each item, some at once; failures are counted by their kind."""
    room = asyncio.Semaphore(at_once)

    async def one(item: Any) -> list[T]:
        async with room:
            try:
                return [await asyncio.wait_for(work(item), PATIENCE_S)]
            except Exception as error:
                errors[f"{type(error).__name__}: {error}"[:100]] += 1
                return []

    return [value for values in await asyncio.gather(*map(one, items)) for value in values]


async def _dial(gateway: Gateway) -> Http:
    reader, writer = await asyncio.open_connection(*gateway.address)
    await _alive((reader, writer))
    return reader, writer


async def _alive(connection: Http) -> None:
    """One request and its answer, on a connection that stays open."""
    reader, writer = connection
    writer.write(b"GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ServiceError(head.split(b"\r\n")[0].decode())
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))


async def _stream(gateway: Gateway) -> ClientConnection:
    host, port = gateway.address
    socket = await connect(
        f"ws://{host}:{port}/v1/stream",
        additional_headers={"X-API-Key": gateway.key},
        ping_interval=None,
        compression=None,
        open_timeout=PATIENCE_S,
    )
    if json.loads(await socket.recv())["type"] != "session":
        raise ServiceError("the stream began without its session")
    return socket


async def _ping(socket: ClientConnection) -> float:
    return await (await socket.ping())


async def _judge(socket: ClientConnection, frame: bytes) -> None:
    await socket.send(frame)
    answer = json.loads(await socket.recv())
    if answer["type"] != "verdict":
        raise ServiceError(str(answer))


def _frame() -> bytes:
    """A portrait in the public domain, small, as JPEG."""
    from skimage.data import astronaut

    portrait = cv2.cvtColor(np.asarray(astronaut(), np.uint8), cv2.COLOR_RGB2BGR)  # type: ignore[no-untyped-call]
    return bytes(cv2.imencode(".jpg", portrait)[1])


def show(result: dict[str, Any], console: Console) -> None:
    """Prints the result."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("figure", "measured"):
        table.add_column(name)
    http, streams, frames, megabytes = result["http"], result["streams"], result["frames"], result["gateway_mb"]
    table.add_row("idle HTTP connections, open / answered again", f"{http['opened']:,} / {http['answered_again']:,}")
    table.add_row("WebSockets, open / answered a ping", f"{streams['opened']:,} / {streams['pongs']:,}")
    table.add_row("frames on a sample of them, sent / judged", f"{frames['sent']} / {frames['judged']}")
    table.add_row("established at the gateway at once", f"{result['established_at_the_gateway']:,}")
    table.add_row("errors", str(result["errors"] or "none"))
    table.add_row("opened in", f"{result['opened_in_s']:.0f} s")
    table.add_row(
        "memory of the gateway: before, with HTTP, with all",
        f"{megabytes['before']:.0f}, {megabytes['with_http']:.0f}, {megabytes['with_all']:.0f} MB",
    )
    table.add_row(
        "an HTTP connection / a WebSocket costs",
        f"{result['kb_a_http_connection']:.1f} / {result['kb_a_stream']:.1f} KB",
    )
    console.print(table)
