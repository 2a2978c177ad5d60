"""The client while its server is away, comes back, is full, or is no Triton at all."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from awarenet_client import AsyncClient, Client, ClientError, DeadlineExceeded, InvalidRequest, ServerError, Unavailable

from awarenet.runtime.server import TritonServer
from tests import tiny_repository as tiny
from tests.listening import listening

REAL = tiny.paint(tiny.SURELY_REAL)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("scheme", ["grpc", "http"])
async def test_a_server_that_is_not_there_is_named_with_the_remedy(scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{free_port()}"
    with Client(url, retries=1) as client, pytest.raises(Unavailable, match=rf"{url}: .*`awarenet serve`"):
        client.score(REAL)
    async with AsyncClient(url, retries=1) as client:
        with pytest.raises(Unavailable, match=rf"{url}: .*`awarenet serve`"):
            await client.score(REAL)


async def test_clients_wait_for_a_server_that_starts_and_survive_its_restart(tiny_repository: Path) -> None:
    """The retries are real: the calls begin before there is a server."""
    server = TritonServer(tiny_repository, http_port=free_port(), grpc_port=free_port())
    options: dict[str, Any] = {"retries": 100, "timeout": 60}
    with Client(server.grpc_url, **options) as over_grpc, Client(server.http_url, **options) as over_http:
        async with AsyncClient(server.grpc_url, **options) as suspending:
            for _ in range(2):  # the second start meets clients whose connections and shared memory are gone
                early = [
                    asyncio.create_task(call)
                    for call in (
                        asyncio.to_thread(over_grpc.score, REAL),
                        asyncio.to_thread(over_http.score, REAL),
                        suspending.score(REAL),
                    )
                ]
                await asyncio.to_thread(server.start)  # its thread lives as long as the event loop
                try:
                    assert [(await call).exit_stage.tolist() for call in early] == [[1]] * 3
                    over_grpc.score(REAL)
                    assert over_grpc._session.holds_server_memory  # registered with this server
                finally:
                    await asyncio.to_thread(server.stop)


class Answers(ThreadingHTTPServer):
    """An HTTP server that answers what it was told and remembers what it was asked."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/base"


class Handler(BaseHTTPRequestHandler):
    """Answers each POST with the next of the server's answers, the last one for ever."""

    protocol_version = "HTTP/1.1"
    server: Answers

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        asked = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append({**asked, "path": self.path})
        status, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if status == 0:  # hang up without an answer
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextlib.contextmanager
def answering(*answers: tuple[int, str]) -> Iterator[Answers]:
    server = Answers(*answers)
    with listening(server):
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that nobody else trusts."""
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "certificate.pem"
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(pem)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return key, pem


async def test_https_trusts_the_given_authority_and_no_other(certificate: tuple[Path, Path]) -> None:
    key, pem = certificate
    with answering((400, "")) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = server.url.replace("http:", "https:")
        with Client(url, root_certificates=pem) as client, pytest.raises(InvalidRequest):
            client.score(REAL)  # refused by the server, behind the encryption
        async with AsyncClient(url, root_certificates=pem) as client:
            with pytest.raises(InvalidRequest):
                await client.score(REAL)
        with Client(url, retries=0) as client, pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            client.score(REAL)


def test_grpcs_trusts_the_given_authority_and_no_other(certificate: tuple[Path, Path]) -> None:
    key, pem = certificate
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)  # serves nothing: it answers UNIMPLEMENTED behind the encryption
        credentials = grpc.ssl_server_credentials([(key.read_bytes(), pem.read_bytes())])
        url = f"grpcs://127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
        server.start()
        with Client(url, root_certificates=pem) as client, pytest.raises(ServerError) as caught:
            client.score(REAL)
        assert type(caught.value) is ServerError
        with Client(url, retries=0) as client, pytest.raises(Unavailable):
            client.score(REAL)
        server.stop(None).wait()


@pytest.mark.parametrize("scheme", ["grpcs", "https"])
def test_an_authority_that_is_no_file_is_named(scheme: str) -> None:
    with pytest.raises(InvalidRequest, match=r"absent\.pem"):
        Client(f"{scheme}://localhost", root_certificates=Path("absent.pem"))


@pytest.mark.parametrize(
    ("status", "body", "kind", "attempts"),
    [
        (503, '{"error": "Exceeds maximum queue size"}', Unavailable, 3),
        (503, "<html>no healthy upstream</html>", Unavailable, 3),
        (429, "", Unavailable, 3),
        (502, "bad gateway", Unavailable, 3),
        (0, "", Unavailable, 3),
        (503, '{"error": "Request timeout expired"}', DeadlineExceeded, 1),
        (504, "", DeadlineExceeded, 1),
        (500, '{"error": "efficientnet: failed"}', ServerError, 1),
        (404, '{"error": "unknown model: cascade"}', ServerError, 1),
        (400, '{"error": "unexpected shape"}', InvalidRequest, 1),
        (200, "{}", ServerError, 1),
        (200, "<html>welcome</html>", ServerError, 1),
    ],
)
async def test_every_http_answer_is_told_apart_and_only_unavailable_is_tried_again(
    status: int, body: str, kind: type[ClientError], attempts: int
) -> None:
    with answering((status, body)) as server:
        with Client(server.url, retries=2, shared_memory=False) as client, pytest.raises(ClientError) as caught:
            client.score(REAL)
        assert type(caught.value) is kind
        assert server.url in str(caught.value)
        assert len(server.asked) == attempts
        async with AsyncClient(server.url, retries=0, shared_memory=False) as client:
            with pytest.raises(kind):
                await client.score(REAL)


def test_headers_reach_the_server_behind_its_base_path() -> None:
    with (
        answering((400, "")) as server,
        Client(server.url, headers={"Authorization": "Bearer secret"}, shared_memory=False) as client,
    ):
        for _ in range(2):
            with pytest.raises(InvalidRequest):
                client.score(REAL)
        assert {asked["authorization"] for asked in server.asked} == {"Bearer secret"}
        assert {asked["path"] for asked in server.asked} == {"/base/v2/models/cascade/infer"}


def test_a_server_that_never_answers_meets_the_deadline() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for scheme in ("http", "grpc"):
            url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
            with Client(url, timeout=0.4) as client, pytest.raises(DeadlineExceeded, match=url):
                client.score(np.repeat(REAL, 3, axis=0))
