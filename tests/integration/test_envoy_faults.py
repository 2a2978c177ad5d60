"""The edge when things go wrong: callers that are too many or too slow, servers that refuse, break or go."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from gateway.problems import MEDIA_TYPE
from tests.envoy import CHART, Certificate, Envoy, edge, endpoint, everything, raw
from tests.integration.test_gateway import problem
from tests.listening import listening
from tests.serving import eventually


class Backend:
    """A server whose paths say what it does: `/reset` breaks off, `/503` refuses, `/hold` waits for `release`."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.release = threading.Event()
        self.holding = 0
        self.connections: list[socket.socket] = []
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.split("?")[0]
                length = int(self.headers.get("Content-Length", 0))
                if len(self.rfile.read(length)) < length:
                    return
                backend.asked[f"{self.command} {path}"] += 1
                if path == "/hold":
                    backend.holding += 1
                    backend.release.wait(60)
                    backend.holding -= 1
                if path == "/reset":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                refused = "503" in self.path
                self.send_response(503 if refused else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(b"ok")

            do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def process_request(self, request: Any, client_address: Any) -> None:
                backend.connections.append(request)
                super().process_request(request, client_address)

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_port

    def die(self) -> None:
        """Ends with every connection, as a process does that is killed."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def backend() -> Iterator[Backend]:
    """A server until the end of the block."""
    started = Backend()
    with listening(started.server):
        try:
            yield started
        finally:
            started.release.set()


@contextmanager
def before(folder: Path, *servers: int, **values: object) -> Iterator[Envoy]:
    """An edge before servers on this machine, once it has found them well."""
    generous = {"perSecond": 100_000, "burst": 100_000}
    given = {"rates": {"address": generous, "caller": generous}, **values}
    points = [endpoint(port) for port in servers]
    with edge(folder, gateway={"endpoints": points, "healthIntervalSeconds": 1}, **given) as envoy:
        assert eventually(lambda: envoy.stat("cluster.gateway.membership_healthy") == len(servers), timeout_s=60)
        yield envoy


@pytest.fixture(scope="module")
def server() -> Iterator[Backend]:
    with backend() as started:
        yield started


@pytest.fixture(scope="module")
def envoy(server: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    """Little patience, and few connections."""
    limits = {
        "timeouts": {"headersSeconds": 1, "requestSeconds": 2, "handshakeSeconds": 1},
        "breaker": {"connections": 2, "pending": 1, "streams": 2},
    }
    with before(tmp_path_factory.mktemp("faults"), server.port, **limits) as started:
        yield started


def test_who_asks_too_often_waits_a_second(server: Backend, tmp_path: Path) -> None:
    address, caller = {"perSecond": 8, "burst": 8}, {"perSecond": 2, "burst": 2}
    with before(tmp_path, server.port, rates={"address": address, "caller": caller}) as envoy, envoy.client() as client:

        def several(count: int, **headers: str) -> list[httpx.Response]:
            with ThreadPoolExecutor(count) as threads:
                return list(threads.map(lambda _: client.get("/limited", headers=headers), range(count)))

        refused = [answer for answer in several(30, **{"X-API-Key": "one"}) if answer.status_code != 200]
        assert 1 <= len(refused) <= 28  # Two at once, and two more a second.
        for answer in refused:
            problem(answer, 429, "too_many_requests")
            assert answer.headers["retry-after"] == "1"
        time.sleep(int(refused[0].headers["retry-after"]) + 0.1)
        assert client.get("/limited", headers={"X-API-Key": "one"}).status_code == 200  # What it was told is true.
        assert client.get("/limited", headers={"X-API-Key": "two"}).status_code == 200  # Another's bucket is another.
        # Keys that are made up do not help: the address is counted whatever it sends.
        with ThreadPoolExecutor(40) as threads:
            made_up = [{"X-API-Key": f"made-up-{number}"} for number in range(200)]
            statuses = Counter(
                threads.map(lambda headers: client.get("/limited", headers=headers).status_code, made_up)
            )
        assert statuses[429] and statuses[200] + statuses[429] == 200


def test_beyond_what_the_gateways_have_room_for_requests_are_refused(server: Backend, envoy: Envoy) -> None:
    server.release.clear()
    with envoy.client() as client, ThreadPoolExecutor(12) as threads:
        answers = [threads.submit(client.post, "/hold", content=b"x") for _ in range(12)]
        try:
            assert eventually(lambda: sum(answer.done() for answer in answers) == 9)
            assert server.holding == 2
        finally:
            server.release.set()
        for answer in answers:
            if answer.result().status_code != 200:
                problem(answer.result(), 503, "overloaded")
                assert answer.result().headers["retry-after"] == "1"
        assert Counter(answer.result().status_code for answer in answers) == {200: 3, 503: 9}
        assert client.post("/fine").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_changes_nothing_is_tried_again(server: Backend, envoy: Envoy, method: str) -> None:
    for path in ("/reset", "/refused-503"):
        server.asked.clear()
        with envoy.client() as client:
            assert client.request(method, path).status_code == 503
        assert server.asked[f"{method} {path}"] == 3


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_may_change_something_is_not_tried_again(server: Backend, envoy: Envoy, method: str) -> None:
    server.asked.clear()
    with envoy.client() as client:
        for path in ("/reset", "/refused-503"):
            assert client.request(method, path, headers={"Idempotency-Key": "one"}).status_code == 503
    assert server.asked == {f"{method} /reset": 1, f"{method} /refused-503": 1}


def test_retries_have_a_budget(server: Backend, tmp_path: Path) -> None:
    with before(tmp_path, server.port, retries={"attempts": 2, "budgetPercent": 0.1}) as envoy:
        server.asked.clear()
        with envoy.client() as client, ThreadPoolExecutor(32) as threads:
            list(threads.map(lambda _: client.get("/refused-503"), range(200)))
        assert envoy.stat("cluster.gateway.upstream_rq_retry_overflow") > 0
        assert 200 <= server.asked["GET /refused-503"] < 600


def test_a_slow_head_is_cut_off(envoy: Envoy) -> None:
    with raw(envoy) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        begun = time.monotonic()
        said = everything(connection)
        assert b" 408 " in said.split(b"\r\n")[0] and b'"code":"body_too_slow"' in said
        assert time.monotonic() - begun > 0.5


def test_a_slow_body_is_cut_off(server: Backend, envoy: Envoy) -> None:
    with raw(envoy) as connection:
        connection.sendall(b"POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nfirst")
        assert b" 408 " in everything(connection).split(b"\r\n")[0]
    assert server.asked["POST /slow"] == 0


def test_a_slow_handshake_is_cut_off(envoy: Envoy) -> None:
    with socket.create_connection(("127.0.0.1", envoy.https), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01")
        assert everything(connection) == b""


def test_pictures_are_refused_unread_while_most_are_refused_anyway(server: Backend, tmp_path: Path) -> None:
    admission = {"perSecond": 1, "windowSeconds": 30}
    with before(tmp_path, server.port, admission=admission) as envoy, envoy.client() as client:
        server.asked.clear()
        answers = [client.post("/v1/detect?503", content=b"x") for _ in range(150)]
        assert {answer.status_code for answer in answers} == {503}
        kept_out = [answer for answer in answers if answer.headers.get("content-type") == MEDIA_TYPE]
        assert 20 <= len(kept_out) == 150 - server.asked["POST /v1/detect"]
        problem(kept_out[0], 503, "unavailable")
        assert kept_out[0].headers["retry-after"] == "1"
        assert client.post("/v1/jobs", content=b"x").status_code == 200  # Others are not concerned.


def test_a_server_that_is_gone_is_left_out_and_nobody_notices(tmp_path: Path) -> None:
    with (
        backend() as first,
        backend() as second,
        before(tmp_path, first.port, second.port) as envoy,
        envoy.client() as client,
    ):
        assert [client.post("/fine").status_code for _ in range(20)] == [200] * 20
        assert first.asked["POST /fine"] and second.asked["POST /fine"]
        second.die()
        # Also what may change something: a connection that cannot be made has carried nothing.
        assert [client.post("/fine").status_code for _ in range(30)].count(200) >= 28  # Kept ones may break under way.
        assert eventually(lambda: envoy.stat("cluster.gateway.membership_healthy") == 1)
        assert [client.post("/fine").status_code for _ in range(20)] == [200] * 20


def test_without_any_server_the_caller_is_told_at_once(tmp_path: Path) -> None:
    with edge(tmp_path, gateway={"endpoints": [endpoint(1)]}) as envoy, envoy.client() as client:
        answer = client.get("/v1/model")
        problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"


def test_a_renewed_certificate_is_taken_up_while_serving(envoy: Envoy) -> None:
    def serial() -> str:
        trusting = ssl.create_default_context(cafile=str(envoy.certificate.file))
        with raw(envoy, context=trusting) as connection:
            shown = connection.getpeercert()
            assert shown is not None
            return str(shown["serialNumber"])

    before_it = serial()
    Certificate.make(envoy.certificate.folder)
    envoy.__dict__.pop("trust", None)

    def renewed() -> bool:
        try:
            return serial() != before_it
        except ssl.SSLError:
            return False  # The old one is still shown.

    assert eventually(renewed)


def test_the_drain_fails_no_request_and_ends_when_all_are_answered(server: Backend, tmp_path: Path) -> None:
    server.release.clear()
    with before(tmp_path, server.port) as envoy, ThreadPoolExecutor(4) as threads:
        client = envoy.client()
        try:
            under_way = [threads.submit(client.get, "/hold") for _ in range(3)]
            assert eventually(lambda: server.holding == 3)
            script = [str(CHART / "files" / "drain-envoy.sh"), str(envoy.admin), "4", "60"]
            draining = subprocess.Popen(["bash", *script], stderr=subprocess.PIPE, text=True)
            probe = f"http://127.0.0.1:{envoy.probe}/ready"
            assert eventually(lambda: httpx.get(probe, timeout=30).status_code == 503)
            # A balancer that has not noticed yet.
            assert httpx.get(f"{envoy.url}/fine", verify=envoy.trust).headers["connection"] == "close"

            def refused() -> bool:
                try:
                    socket.create_connection(("127.0.0.1", envoy.https), timeout=5).close()
                except ConnectionRefusedError:
                    return True
                return False

            assert eventually(refused)
            assert draining.poll() is None
            server.release.set()
            assert [answer.result().status_code for answer in under_way] == [200] * 3
            client.close()
            assert draining.wait(60) == 0 and draining.stderr is not None and draining.stderr.read() == ""
        finally:
            server.release.set()
