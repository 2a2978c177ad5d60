"""Live streams over WebSocket, on a real Triton: answers, dropped frames, sessions that go on, bad clients."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from awarenet.runtime.server import TritonServer
from tests.gateway import Gateway, running
from tests.samples import astronaut
from tests.serving import eventually


@pytest.fixture(scope="module")
def gateway(
    triton_server: TritonServer, tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    state = tmp_path_factory.mktemp("stream") / "state"
    limits = {"frame_bytes": 1 << 20, "frame_timeout_s": 30, "stream_idle_s": 20, "streams": 3}
    with running(triton_server.grpc_url, tiny_repository, state, **limits) as started:
        yield started


@pytest.fixture(scope="module")
def frame() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(astronaut()).save(stream, "WEBP")
    return stream.getvalue()


def opened(gateway: Gateway, query: str = "", **options: Any) -> ClientConnection:
    url = gateway.url.replace("http://", "ws://") + "/v1/stream" + query
    options = {"additional_headers": {"X-API-Key": gateway.key}, "open_timeout": 60} | options
    return connect(url, **options)


def heard(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=60))
    return message


def test_each_frame_gets_a_verdict_and_the_end_a_summary(gateway: Gateway, frame: bytes) -> None:
    with opened(gateway) as socket:
        hello = heard(socket)
        assert hello["type"] == "session" and not hello["resumed"] and hello["frame_bytes"] == 1 << 20
        for number in range(3):
            socket.send(frame)
            answer = heard(socket)
            assert (answer["type"], answer["frame"]) == ("verdict", number)
            assert len(answer["tracks"]) == 1 and answer["model_version"]
        socket.send('{"type": "end"}')
        assert heard(socket) == {"type": "summary", "frames": 3, "judged": 3, "dropped": 0}
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=60)
        assert socket.close_code == 1000


def test_frames_that_come_too_fast_are_dropped_and_the_newest_is_judged(gateway: Gateway, frame: bytes) -> None:
    with opened(gateway) as socket:
        heard(socket)
        pids = [worker.pid for worker in gateway.workers()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(20):
                socket.send(frame)
            assert eventually(lambda: gateway.metric("frames_dropped_total") >= 18)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        seen = [heard(socket), heard(socket)]
        assert [answer["frame"] for answer in seen] == [0, 19] and seen[-1]["dropped"] == 18
        socket.send('{"type": "end"}')
        assert heard(socket)["dropped"] == 18


def test_a_session_goes_on_after_a_broken_connection(gateway: Gateway, frame: bytes) -> None:
    with opened(gateway) as socket:
        token = heard(socket)["session"]
        socket.send(frame)
        heard(socket)
        with pytest.raises(InvalidStatus) as refused:
            opened(gateway, f"?session={token}")
        assert refused.value.response.status_code == 409, "one client at a time"
        socket.socket.close()
    assert eventually(lambda: gateway.metric("streams") == 0)
    with opened(gateway, f"?session={token}") as socket:
        hello = heard(socket)
        assert hello["resumed"] and hello["frames"] == 1
        socket.send(frame)
        assert (answer := heard(socket))["frame"] == 1 and answer["tracks"]
        socket.send('{"type": "end"}')
        heard(socket)
    with pytest.raises(InvalidStatus) as gone:
        opened(gateway, f"?session={token}")
    assert gone.value.response.status_code == 404


def test_a_bad_frame_is_a_problem_and_the_stream_goes_on(gateway: Gateway, frame: bytes) -> None:
    with opened(gateway) as socket:
        heard(socket)
        socket.send(b"no picture")
        answer = heard(socket)
        assert answer["type"] == "error" and answer["problem"]["code"] == "unsupported_media"
        socket.send("no command")
        assert heard(socket)["problem"]["code"] == "invalid_input"
        socket.send(frame)
        assert heard(socket)["type"] == "verdict"
        socket.send('{"type": "end"}')
        heard(socket)


def test_a_frame_that_is_too_large_closes_the_stream(gateway: Gateway) -> None:
    query = ""
    for _ in range(10):  # a server that stops reading loses this race in every third try
        with opened(gateway, query) as socket:
            query = f"?session={heard(socket)['session']}"
            with pytest.raises(ConnectionClosed):
                socket.send(bytes(2 << 20))
                while True:
                    socket.recv(timeout=60)
            assert socket.close_code == 1009
        assert eventually(lambda: gateway.metric("streams") == 0)
    with opened(gateway, query) as socket:
        heard(socket)
        socket.send('{"type": "end"}')
        heard(socket)


def test_browsers_bring_their_key_as_a_subprotocol(gateway: Gateway) -> None:
    protocols = ["awarenet.v1", f"awarenet.key.{gateway.key}"]
    with opened(gateway, additional_headers={}, subprotocols=protocols) as socket:
        assert socket.subprotocol == "awarenet.v1"
        assert heard(socket)["type"] == "session"
        socket.send('{"type": "end"}')
        heard(socket)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"X-API-Key": "awn_x"}, 401)],
)
def test_without_a_credential_no_stream_opens(gateway: Gateway, headers: dict[str, str], status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(gateway, additional_headers=headers)
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"{}")["code"] == "unauthorised"


def test_pages_of_other_origins_open_no_stream(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(gateway, origin="https://evil.example")
    assert refused.value.response.status_code == 403


def test_more_streams_than_allowed_are_refused(gateway: Gateway) -> None:
    sockets = []
    try:
        with pytest.raises(InvalidStatus) as refused:
            for _ in range(4):
                sockets.append(opened(gateway))
                heard(sockets[-1])
        assert refused.value.response.status_code == 503 and refused.value.response.headers["retry-after"]
    finally:
        for socket in sockets:
            socket.send('{"type": "end"}')
            heard(socket)
            socket.close()
