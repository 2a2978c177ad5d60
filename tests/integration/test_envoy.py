"""The edge as it ships: Envoy in front of the real gateway and the real Triton."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awarenet_client
import httpx2 as httpx
import pytest
from PIL import Image
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from awarenet.errors import kinds
from awarenet.runtime.server import TritonServer
from gateway import problems
from tests import tiny_repository as tiny
from tests.envoy import BINARY, Certificate, Envoy, configure, edge, endpoint, everything, manifests, raw
from tests.gateway import Gateway, running
from tests.integration.test_gateway import other, problem
from tests.issuer import ISSUER, OTHER, Endpoint, claims, published, token
from tests.samples import astronaut
from tests.serving import eventually, metric

PICTURE_BYTES = 2 << 20


@pytest.fixture(scope="module")
def issuer() -> Iterator[Endpoint]:
    with published() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    issuer: Endpoint, triton_server: TritonServer, tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    state = tmp_path_factory.mktemp("edge-gateway") / "state"
    tokens = {"token_issuer": ISSUER, "token_audience": "awarenet", "token_keys_url": issuer.url}
    limits = {"picture_bytes": PICTURE_BYTES, "proxies": '["127.0.0.1"]', "frame_timeout_s": 30}
    with running(triton_server.grpc_url, tiny_repository, state, **tokens, **limits) as started:
        yield started


@pytest.fixture(scope="module")
def envoy(
    gateway: Gateway, issuer: Endpoint, triton_server: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Envoy]:
    generous = {"perSecond": 100_000, "burst": 100_000}
    with edge(
        tmp_path_factory.mktemp("edge"),
        gateway={"endpoints": [endpoint(gateway.address[1])]},
        triton={"endpoints": [endpoint(port_of(triton_server))]},
        jwt={"issuer": ISSUER, "audience": "awarenet", "keysUrl": issuer.url},
        rates={"address": generous, "caller": generous},
        limits={"pictureBytes": PICTURE_BYTES},
    ) as started:
        assert eventually(lambda: started.stat("cluster.gateway.membership_healthy") == 1, timeout_s=60)
        yield started


@pytest.fixture(scope="module")
def client(envoy: Envoy) -> Iterator[httpx.Client]:
    with envoy.client() as client:
        yield client


def port_of(server: TritonServer) -> int:
    return int(server.grpc_url.rsplit(":", 1)[1])


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


def unsigned(**changes: Any) -> str:
    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT', 'kid': 'rsa'})}.{part(claims(**changes))}."


# The configuration.


def test_envoy_accepts_the_configuration_as_it_ships(tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path / "pod" / "tls")
    keys = "https://id.example.org/keys"
    file, _ = configure(tmp_path, certificate, jwt={"issuer": "https://i", "audience": "a", "keysUrl": keys})
    done = subprocess.run([BINARY, "--mode", "validate", "-c", file], capture_output=True, text=True)
    assert done.returncode == 0 and "OK" in done.stdout + done.stderr, done.stderr
    assert "eprecated" not in done.stderr


def test_the_words_of_its_errors_are_those_of_the_gateway() -> None:
    ours = {code: (kind.status, (kind.__doc__ or "").splitlines()[0]) for code, kind in kinds().items()}
    assert problems.BodyTooLarge.code in ours
    config = manifests({"tls": {"secret": "edge"}})["ConfigMap"]["data"]["envoy.yaml"]
    said = [
        line.split(":", 1)[1].strip() for line in config.splitlines() if line.strip().startswith(("title:", "code:"))
    ]
    pairs = {code: title.strip('"') for title, code in zip(said[::2], said[1::2], strict=True)}
    assert len(pairs) >= 10
    for code, title in pairs.items():
        if code != "http_error":
            assert title == ours[code][1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "envoy.tls.secret"),
        ({"tls": {"secret": "x"}, "jwt": {"issuer": "i", "audience": "a", "keysUrl": "http://id.example/k"}}, "https"),
        ({"tls": {"secret": "x"}, "jwt": {"issuer": "i", "keysUrl": "https://id.example/k"}}, "audience"),
    ],
)
def test_values_that_make_no_sense_are_refused_with_their_names(values: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        manifests(values)


def test_its_pod_is_restricted_and_ends_after_its_drain() -> None:
    made = manifests({"tls": {"secret": "edge"}})
    pod = made["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    notice, most = map(int, container["lifecycle"]["preStop"]["exec"]["command"][-2:])
    assert pod["terminationGracePeriodSeconds"] > notice + most
    assert not container["image"].endswith(":latest") and container["resources"]["limits"]["memory"]
    listening = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert f"port_value: {listening['https']}" in made["ConfigMap"]["data"]["envoy.yaml"]


# TLS.


def test_tls_1_3_is_spoken_and_nothing_older(envoy: Envoy) -> None:
    with raw(envoy) as connection:
        assert connection.version() == "TLSv1.3"
    old = envoy.certificate.trust()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.?version"):
        raw(envoy, context=old)
    with socket.create_connection(("127.0.0.1", envoy.https), timeout=30) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP/1.1 200" not in everything(plain)


def test_http_2_and_1_1_are_both_spoken(envoy: Envoy) -> None:
    for offered in ("h2", "http/1.1"):
        context = envoy.certificate.trust()
        context.set_alpn_protocols([offered])
        with raw(envoy, context=context) as connection:
            assert connection.selected_alpn_protocol() == offered


# Who may.


def test_an_api_key_is_for_the_gateway_to_judge(gateway: Gateway, client: httpx.Client) -> None:
    answer = client.post("/v1/detect", content=other(1), headers={"X-API-Key": gateway.key})
    assert answer.status_code == 200 and answer.json()["faces"]
    assert answer.headers["strict-transport-security"] and "server" not in answer.headers
    problem(client.post("/v1/detect", content=other(1), headers={"X-API-Key": "awn_nonsense"}), 401, "unauthorised")
    problem(client.post("/v1/detect", content=other(1)), 401, "unauthorised")


async def test_many_requests_share_a_connection_of_http_2(envoy: Envoy, gateway: Gateway) -> None:
    options: dict[str, Any] = {
        "base_url": envoy.url,
        "verify": envoy.trust,
        "timeout": 60,
        "http1": False,
        "http2": True,
    }
    async with httpx.AsyncClient(**options, headers={"X-API-Key": gateway.key}) as client:
        bodies = [other(11), other(12), other(13), b"no picture"]
        *judged, refused = await asyncio.gather(*(client.post("/v1/detect", content=body) for body in bodies))
    assert {answer.http_version for answer in [*judged, refused]} == {"HTTP/2"}
    # What the gateway has no room for comes through as its own refusal.
    assert {answer.status_code for answer in judged} <= {200, 503} and any(answer.is_success for answer in judged)
    assert refused.status_code in (415, 503) and refused.json()["status"] == refused.status_code


def test_a_good_token_passes(envoy: Envoy, client: httpx.Client) -> None:
    answer = client.post("/v1/detect", content=other(2), headers=bearer(token()))
    assert answer.status_code == 200, answer.text
    skewed = token(exp=time.time() - 5)  # Clocks differ.
    assert client.get("/v1/model", headers=bearer(skewed)).status_code == 200


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(lambda: token(exp=time.time() - 3600), id="expired"),
        pytest.param(lambda: token(exp=None), id="never expires"),
        pytest.param(lambda: token(nbf=time.time() + 3600), id="not yet valid"),
        pytest.param(lambda: token(aud="another"), id="wrong audience"),
        pytest.param(lambda: token(iss="https://evil.example"), id="wrong issuer"),
        pytest.param(lambda: token(OTHER), id="another's key"),
        pytest.param(lambda: token().rsplit(".", 1)[0] + ".", id="unsigned"),
        pytest.param(unsigned, id="alg=none"),
        pytest.param(lambda: "nonsense", id="no token"),
    ],
)
def test_a_bad_token_goes_no_further(envoy: Envoy, client: httpx.Client, refused: Callable[[], str]) -> None:
    request_id = uuid.uuid4().hex
    answer = client.get("/v1/model", headers={**bearer(refused()), "X-Request-Id": request_id})
    problem(answer, 401, "unauthorised")
    entry = envoy.entry(request_id)
    assert entry["upstream"] is None and "jwt" in entry["why"].lower()


# What passes, and what does not.


def test_the_callers_id_goes_through_to_the_gateway_and_the_log(
    envoy: Envoy, gateway: Gateway, client: httpx.Client
) -> None:
    answer = client.post(
        "/v1/detect?session=secret",
        content=other(3),
        headers={"X-API-Key": gateway.key, "X-Request-Id": "mine.1", "X-Forwarded-For": "192.0.2.7"},
    )
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine.1"
    entry = envoy.entry("mine.1")
    assert (entry["method"], entry["path"], entry["status"], entry["tls"]) == ("POST", "/v1/detect", 200, "TLSv1.3")
    assert entry["upstream"].endswith(f":{gateway.address[1]}") and entry["client"] == "127.0.0.1"
    assert not [line for line in envoy.log if gateway.key in line or "secret" in line]
    assert eventually(lambda: any('"request_id": "mine.1"' in line for line in gateway.log))


def test_what_is_for_those_inside_does_not_exist_outside(envoy: Envoy, gateway: Gateway, client: httpx.Client) -> None:
    for path in ("/metrics", "/readyz", "/livez", "/drain", "/drain/", "//metrics", "/v1/../metrics"):
        problem(
            client.request("POST" if "drain" in path else "GET", envoy.url + path, headers={"X-API-Key": gateway.key}),
            404,
            "not_found",
        )
    assert client.get("/openapi.json").status_code == 200


def test_a_body_that_says_that_it_is_too_large_is_refused_unread(
    envoy: Envoy, gateway: Gateway, client: httpx.Client
) -> None:
    large = bytes(PICTURE_BYTES + (64 << 10) + 1)
    headers = {"X-API-Key": gateway.key, "X-Request-Id": "large"}
    problem(client.post("/v1/detect", content=large, headers=headers), 413, "body_too_large")
    assert envoy.entry("large")["why"] == "direct_response"
    problem(client.request("DELETE", "/v1/jobs", content=bytes(70_000)), 413, "body_too_large")


def test_a_body_that_does_not_say_how_large_it_is_is_counted(gateway: Gateway, client: httpx.Client) -> None:
    pieces = (bytes(64 << 10) for _ in range((PICTURE_BYTES >> 16) + 8))
    answer = client.post("/v1/detect", content=pieces, headers={"X-API-Key": gateway.key})
    problem(answer, 413, "body_too_large")


def test_headers_without_end_are_refused(client: httpx.Client) -> None:
    assert client.get("/", headers={"X-Long": "a" * (40 << 10)}).status_code == 431
    assert client.get("/", headers={f"X-{one}": "a" for one in range(120)}).status_code == 431
    malformed = client.get("/", headers={"X_API_KEY": "a"})  # Refused before it has an id.
    assert (malformed.status_code, malformed.json()["code"]) == (400, "invalid_input")


def test_a_live_stream_goes_through(envoy: Envoy, gateway: Gateway) -> None:
    picture = io.BytesIO()
    Image.fromarray(astronaut()).save(picture, "JPEG")
    url = envoy.url.replace("https", "wss") + "/v1/stream"
    with connect(url, ssl=envoy.trust, additional_headers={"X-API-Key": gateway.key}, open_timeout=60) as stream:
        assert json.loads(stream.recv(timeout=60))["type"] == "session"
        stream.send(picture.getvalue())
        verdict = json.loads(stream.recv(timeout=60))
        assert verdict["type"] == "verdict" and len(verdict["tracks"]) == 1
    with connect(
        url, ssl=envoy.trust, subprotocols=["awarenet.v1", f"awarenet.key.{gateway.key}"], open_timeout=60
    ) as stream:  # As a browser does it.
        assert json.loads(stream.recv(timeout=60))["type"] == "session"
    with pytest.raises(InvalidStatus) as refused:
        connect(url, ssl=envoy.trust, additional_headers=bearer(unsigned()), open_timeout=60)
    assert refused.value.response.status_code == 401
    with pytest.raises(InvalidStatus):
        connect(url.replace("/v1/stream", "/v1/jobs"), ssl=envoy.trust, open_timeout=60)


def test_prometheus_and_the_kubelet_have_a_port_of_their_own(envoy: Envoy) -> None:
    inside = f"http://127.0.0.1:{envoy.probe}"
    assert httpx.get(f"{inside}/ready", timeout=30).status_code == 200
    assert "envoy_cluster_upstream_rq" in httpx.get(f"{inside}/stats/prometheus", timeout=30).text
    for path in ("/", "/config_dump", "/quitquitquit"):
        assert httpx.post(f"{inside}{path}", timeout=30).status_code == 404
    assert httpx.post(f"{inside}/stats/prometheus", timeout=30).status_code == 404


# Triton behind it.


def test_requests_are_balanced_over_two_servers_and_one_may_go(
    triton_server: TritonServer, tiny_repository: Path, tmp_path: Path
) -> None:
    faces = tiny.paint((10, 20, 30))

    def scored(server: TritonServer) -> float:
        return metric(server, "nv_inference_request_success", model="cascade")

    with TritonServer(tiny_repository) as second:
        servers = [triton_server, second]
        with (
            edge(
                tmp_path,
                gateway={"endpoints": [endpoint(1)]},
                triton={"endpoints": [endpoint(port_of(server)) for server in servers], "healthIntervalSeconds": 1},
            ) as envoy,
            awarenet_client.Client(f"grpc://127.0.0.1:{envoy.triton}", shared_memory=False) as client,
        ):
            assert eventually(lambda: envoy.stat("cluster.triton.membership_healthy") == 2, timeout_s=60)
            before = [scored(server) for server in servers]
            for _ in range(40):  # One connection: it is requests that are balanced.
                client.score(faces)
            spread = [scored(server) - old for server, old in zip(servers, before, strict=True)]
            # A few more than ours: each server is asked its known question every five seconds.
            assert 40 <= sum(spread) < 50 and min(spread) >= 8
            second.stop()
            for _ in range(10):
                client.score(faces)
            assert eventually(lambda: envoy.stat("cluster.triton.membership_healthy") == 1, timeout_s=60)
