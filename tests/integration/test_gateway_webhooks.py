"""Webhooks and content credentials through the whole gateway, over a real Triton."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from awarenet.runtime.server import TritonServer
from gateway.webhooks import verify
from tests.credentials import ROOT_PEM, signed
from tests.gateway import Gateway, running
from tests.listening import listening
from tests.samples import astronaut, save, save_clip
from tests.serving import eventually


@pytest.fixture(scope="module")
def gateway(
    triton_server: TritonServer, tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("webhooks")
    anchors = folder / "anchors.pem"
    anchors.write_text(ROOT_PEM, encoding="ascii")
    settings = {"webhooks": "local", "trust_anchors": anchors}
    with running(triton_server.grpc_url, tiny_repository, folder / "state", **settings) as started:
        yield started


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return save_clip(tmp_path_factory.mktemp("media") / "clip.mp4", [astronaut()] * 6).read_bytes()


@dataclass
class Receiver:
    """A real server that notes the webhooks it gets, and answers with `statuses`, the last one again and again."""

    statuses: list[int] = field(default_factory=lambda: [204])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    noted = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            noted.got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(noted.statuses.pop(0) if len(noted.statuses) > 1 else noted.statuses[0])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    noted.url = f"http://127.0.0.1:{server.server_port}/hook"
    with listening(server):
        yield noted


def begin(client: httpx.Client, content: bytes, url: str) -> dict[str, Any]:
    answer = client.post("/v1/jobs", params={"webhook": url}, content=content)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def test_the_end_of_a_job_is_told_with_a_signature_that_its_owner_can_check(
    client: httpx.Client, clip: bytes, receiver: Receiver
) -> None:
    secret = client.get("/v1/webhooks/secret").json()["secret"]
    job = begin(client, clip, receiver.url)
    assert job["webhook"] == receiver.url
    assert eventually(lambda: receiver.got)
    headers, body = receiver.got[0]
    assert verify([secret], headers, body)
    told = json.loads(body)
    assert told["type"] == "job.succeeded"
    assert told["data"] == client.get(f"/v1/jobs/{job['id']}").json()
    assert [one["id"] for one in client.get("/v1/jobs").json()["jobs"]].count(job["id"]) == 1


def test_a_failure_is_told_too(client: httpx.Client, receiver: Receiver) -> None:
    begin(client, b"no clip at all", receiver.url)
    assert eventually(lambda: receiver.got)
    told = json.loads(receiver.got[0][1])
    assert told["type"] == "job.failed" and told["data"]["problem"]["code"] == "unsupported_media"


def test_a_receiver_that_is_down_for_a_moment_gets_the_same_delivery_again(
    client: httpx.Client, clip: bytes, receiver: Receiver
) -> None:
    receiver.statuses = [503, 204]
    begin(client, clip, receiver.url)
    assert eventually(lambda: len(receiver.got) == 2)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest", "http://example.com/", "ftp://127.0.0.1/", "nonsense", "https://u:p@a.org/"],
)
def test_an_address_that_may_not_be_called_is_refused_before_the_clip_is_taken(client: httpx.Client, url: str) -> None:
    answer = client.post("/v1/jobs", params={"webhook": url}, content=b"")
    assert answer.status_code == 400 and answer.json()["code"] == "invalid_input", answer.text


def test_webhooks_are_off_unless_they_are_allowed(
    triton_server: TritonServer, tiny_repository: Path, tmp_path: Path, clip: bytes
) -> None:
    with running(triton_server.grpc_url, tiny_repository, tmp_path / "state") as gateway, gateway.client() as client:
        for answer in (
            client.post("/v1/jobs", params={"webhook": "https://example.org/"}, content=clip),
            client.get("/v1/webhooks/secret"),
        ):
            assert answer.status_code == 400 and "AWARENET_WEBHOOKS" in answer.json()["detail"]


def test_content_credentials_stand_beside_the_verdict_and_do_not_change_it(
    client: httpx.Client, tmp_path: Path
) -> None:
    plain = save(tmp_path / "face.jpg", astronaut()).read_bytes()
    made_by_ai = signed(plain, source="trainedAlgorithmicMedia")
    without, with_them = (client.post("/v1/detect", content=content).json() for content in (plain, made_by_ai))
    assert without["content_credentials"]["state"] == "absent"
    credentials = with_them["content_credentials"]
    assert credentials["state"] == "trusted" and credentials["says_ai"]
    assert credentials["issuer"] == "Made-up Newsroom"
    assert (without["verdict"], without["probability"]) == (with_them["verdict"], with_them["probability"])


def test_a_job_and_a_batch_show_content_credentials_too(client: httpx.Client, tmp_path: Path) -> None:
    content = signed(save(tmp_path / "face.jpg", astronaut()).read_bytes())
    changed = bytearray(content)
    changed[-100] ^= 1
    files = [("files", (f"{name}.jpg", body)) for name, body in (("whole", content), ("changed", bytes(changed)))]
    items = client.post("/v1/batch", files=files).json()["items"]
    assert [item["content_credentials"]["state"] for item in items] == ["trusted", "invalid"]
    job = client.post("/v1/jobs", content=content).json()
    assert eventually(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "succeeded")
    assert client.get(f"/v1/jobs/{job['id']}").json()["content_credentials"]["state"] == "trusted"
