"""The gateway as it runs, over a real Triton: every endpoint, and requests that are wrong."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import jsonschema
import numpy as np
import pytest
from PIL import Image

from awarenet.detector import Detector
from awarenet.face_engines import create_detector
from awarenet.heatmap import GRID, Expected
from awarenet.repository import ModelRepository
from awarenet.runtime.server import TritonServer
from awarenet.runtime.triton import TritonRuntime
from awarenet.verdict import schema
from gateway.access import REMEMBERED_S
from gateway.audit import AuditLog
from gateway.identity import Role
from gateway.settings import Settings
from gateway.state import open_state
from tests.gateway import Gateway, running
from tests.samples import astronaut, save, save_clip

Headers = dict[str, str]


@pytest.fixture(scope="module")
def gateway(
    triton_server: TritonServer, tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    state = tmp_path_factory.mktemp("gateway") / "state"
    expected = tmp_path_factory.mktemp("expected") / "expected.json"
    version = ModelRepository.open(tiny_repository).policy.model_version
    expected.write_text(Expected(version, np.zeros((GRID, GRID), np.float32), 1).to_json(), encoding="utf-8")
    settings = {"picture_bytes": 2 << 20, "clip_bytes": 4 << 20, "webhooks": "public", "heatmap_expected": expected}
    with running(triton_server.grpc_url, tiny_repository, state, **settings) as started:
        yield started


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    save(folder / "portrait.png", astronaut())
    save(folder / "wall.png", np.full((100, 100, 3), 90, np.uint8))
    save_clip(folder / "clip.mp4", [astronaut()] * 6)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return folder


def other(number: int) -> bytes:
    """A picture with a face, another one for each number below 65,536."""
    image = astronaut().copy()
    image[0, :, 0], image[0, :, 1] = divmod(number, 256)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def key_of(gateway: Gateway, role: Role, subject: str) -> Headers:
    """The header of a new key, made as the command line makes it."""
    state = open_state(Settings.load(state_folder=gateway.state))
    _, key = state.keys.create(subject, {role})
    state.close()
    return {"X-API-Key": key}


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem in a response, which must be whole."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = response.json()
    assert (content["status"], content["code"]) == (status, code), content
    assert content["type"] == f"/docs#problem-{code}" and content["title"] and content["detail"]
    assert content["instance"].endswith(response.headers["x-request-id"])
    for leak in ("Traceback", "/proc/", "site-packages"):
        assert leak not in response.text
    return content


def finished(client: httpx.Client, job: str, timeout_s: float = 60) -> dict[str, Any]:
    """A job, once it is finished."""
    deadline = time.monotonic() + timeout_s
    while (content := client.get(f"/v1/jobs/{job}").json())["state"] in {"queued", "running"}:
        assert time.monotonic() < deadline, content
        time.sleep(0.1)
    return content


# Pictures.


def test_a_picture_gets_the_verdict_of_the_detector(
    client: httpx.Client, triton_server: TritonServer, media: Path
) -> None:
    runtime = TritonRuntime(triton_server.grpc_url)
    here = Detector(runtime, create_detector("hog")).detect(media / "portrait.png").to_dict()
    runtime.close()
    answer = client.post("/v1/detect", files={"file": ("me.png", (media / "portrait.png").read_bytes())})
    there = answer.json()
    assert answer.status_code == 200, answer.text
    assert there.pop("request_id") == answer.headers["x-request-id"]
    assert there.pop("content_credentials")["state"] == "absent"
    jsonschema.validate(there, schema())
    assert there["path"] == "me.png" and len(there["faces"]) == 1
    for name in ("path", "timings_ms"):
        del here[name], there[name]
    assert there == here


def test_raw_bytes_are_taken_whatever_their_type_says(client: httpx.Client, media: Path) -> None:
    content = (media / "portrait.png").read_bytes()
    for claimed in ("image/jpeg", "text/html", "application/json"):
        answer = client.post("/v1/detect", content=content, headers={"Content-Type": claimed})
        assert answer.status_code == 200 and answer.json()["faces"], claimed


def test_the_full_route_runs_every_stage(client: httpx.Client) -> None:
    evidence = client.post("/v1/detect?route=full", content=other(1)).json()["faces"][0]["evidence"]
    assert all(value is not None for value in evidence.values())


def test_a_heatmap_says_where_the_score_of_a_face_comes_from(client: httpx.Client, media: Path) -> None:
    content = (media / "portrait.png").read_bytes()
    (face,) = client.post("/v1/detect?route=full", content=content).json()["faces"]
    box = ",".join(map(str, face["box"]))
    answer = client.post("/v1/heatmap", params={"box": box}, content=content)
    assert answer.status_code == 200, answer.text
    heatmap = answer.json()
    values = np.array(heatmap["values"])
    assert values.shape == (32, 32) and np.isfinite(values).all()
    left, top, width, height = heatmap["region"]
    assert width == height == face["evidence"]["face_px"]
    assert left <= face["box"][0] and left + width >= face["box"][0] + face["box"][2]
    assert top <= face["box"][1] and top + height >= face["box"][1] + face["box"][3]


@pytest.mark.parametrize("box", ["", "1,2,3", "a,b,c,d", "nan,0,9,9", "9000,0,90,90", "0,0,1e9,1e9", "0,0,0,0"])
def test_a_box_that_is_no_face_of_the_picture_is_a_problem(client: httpx.Client, media: Path, box: str) -> None:
    answer = client.post("/v1/heatmap", params={"box": box}, content=(media / "portrait.png").read_bytes())
    assert answer.status_code == 400 and answer.json()["code"] == "invalid_input"


def test_models_whose_real_faces_were_not_measured_have_no_heatmaps(
    triton_server: TritonServer, tiny_repository: Path, media: Path, tmp_path: Path
) -> None:
    with running(triton_server.grpc_url, tiny_repository, tmp_path / "state") as gateway, gateway.client() as client:
        content = (media / "portrait.png").read_bytes()
        answer = client.post("/v1/heatmap", params={"box": "175,70,97,125"}, content=content)
    assert answer.status_code == 404 and "--write-expected" in answer.json()["detail"]


def test_no_face_is_an_answer(client: httpx.Client, media: Path) -> None:
    answer = client.post("/v1/detect", content=(media / "wall.png").read_bytes())
    assert answer.status_code == 200 and answer.json()["verdict"] == "no_face"


def test_the_same_bytes_are_scored_once_and_validate_alike(gateway: Gateway, client: httpx.Client) -> None:
    before = gateway.metric("verdicts_total")
    first, second = (client.post("/v1/detect", content=other(2)) for _ in range(2))
    full = client.post("/v1/detect?route=full", content=other(2))
    assert first.headers["etag"] == second.headers["etag"] != full.headers["etag"]
    assert first.json()["faces"] == second.json()["faces"]
    assert first.json()["request_id"] != second.json()["request_id"]
    assert gateway.metric("verdicts_total") == before + 2


def test_an_idempotency_key_gives_the_first_answer_and_no_other_request_under_it(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "once"}
    first = client.post("/v1/detect", content=other(3), headers=key)
    again = client.post("/v1/detect", content=other(3), headers=key)
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    assert again.json()["faces"] == first.json()["faces"]
    problem(client.post("/v1/detect", content=other(4), headers=key), 422, "idempotency_key_reused")


def test_a_batch_answers_each_item_in_order(client: httpx.Client, media: Path) -> None:
    names = ["portrait.png", "broken.jpg", "wall.png", "clip.mp4"]
    answer = client.post("/v1/batch", files=[("files", (name, (media / name).read_bytes())) for name in names])
    items = answer.json()["items"]
    assert answer.status_code == 200 and [item["name"] for item in items] == names
    assert items[0]["verdict"]["faces"] and items[2]["verdict"]["verdict"] == "no_face"
    assert items[1]["problem"]["code"] == "damaged_media" and items[1]["problem"]["detail"].startswith("broken.jpg: ")
    assert items[3]["problem"]["code"] == "unsupported_media" and "/v1/jobs" in items[3]["problem"]["detail"]


# Requests that are wrong.


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_input"),
        (b"<html>", 415, "unsupported_media"),
        (b"\xff\xd8\xff\xe0 and no more", 422, "damaged_media"),
        (b"....ftypisom" + bytes(500), 415, "unsupported_media"),
        (bytes(3 << 20), 413, "body_too_large"),
    ],
)
def test_bad_media_is_a_problem_that_says_what_to_do(
    client: httpx.Client, content: bytes, status: int, code: str
) -> None:
    problem(client.post("/v1/detect", content=content), status, code)


def test_a_body_without_a_length_is_held_to_the_limit_too(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(1 << 16)

    problem(client.post("/v1/detect", content=endless()), 413, "body_too_large")


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "a\x1b[31m.png", "x" * 300])
def test_names_are_never_paths_and_never_act(client: httpx.Client, name: str) -> None:
    shown = client.post("/v1/detect", files={"file": (name, other(5))}).json()["path"]
    assert shown.isprintable() and len(shown) <= 120 and "/" not in shown and "\\" not in shown


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--y\r\nnot a form"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext\r\n--x--\r\n',
        ),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\ntext\r\n--x--\r\n"),
    ],
)
def test_malformed_forms_are_a_problem(client: httpx.Client, content_type: str, body: bytes) -> None:
    problem(client.post("/v1/detect", content=body, headers={"Content-Type": content_type}), 400, "invalid_input")


def test_a_part_that_lies_about_its_length_and_type_is_taken_for_what_it_is(client: httpx.Client) -> None:
    lie = b"Content-Type: video/mp4\r\nContent-Length: 4\r\n"
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n' + lie + b"\r\n"
    body = head + other(6) + b"\r\n--x--\r\n"
    answer = client.post("/v1/detect", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 200 and answer.json()["faces"]


def test_more_files_than_are_taken_are_a_problem(client: httpx.Client, media: Path) -> None:
    wall = (media / "wall.png").read_bytes()
    problem(client.post("/v1/batch", files=[("files", ("a.png", wall))] * 17), 400, "invalid_input")
    problem(client.post("/v1/detect", files=[("files", ("a.png", wall))] * 2), 400, "invalid_input")


def test_unknown_paths_methods_and_options_are_problems(client: httpx.Client) -> None:
    problem(client.get("/v1/nothing"), 404, "not_found")
    problem(client.get("/v1/detect"), 405, "method_not_allowed")
    problem(client.post("/v1/detect?route=short", content=b"x"), 400, "invalid_input")
    problem(client.get("/v1/jobs/../../etc/passwd"), 404, "not_found")
    problem(client.get("/v1/jobs/nothing"), 400, "invalid_input")


def test_a_request_id_is_taken_over_only_when_it_is_harmless(client: httpx.Client) -> None:
    assert client.get("/livez", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert client.get("/livez", headers={"X-Request-Id": "a b{"}).headers["x-request-id"] != "a b{"


# Who may.


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": ""}, {"X-API-Key": "awn_x"}, {"X-API-Key": "", "Authorization": "Bearer e30.e30."}],
)
def test_without_a_good_credential_nothing_is_done(gateway: Gateway, headers: Headers) -> None:
    with gateway.client(headers=headers) as stranger:
        for method, path in (("POST", "/v1/detect"), ("GET", "/v1/model"), ("GET", "/v1/jobs"), ("POST", "/drain")):
            problem(stranger.request(method, path), 401, "unauthorised")


def test_roles_decide_what_may_be_done(gateway: Gateway, client: httpx.Client) -> None:
    viewer, operator = key_of(gateway, Role.VIEWER, "a viewer"), key_of(gateway, Role.OPERATOR, "an operator")
    assert client.get("/v1/model", headers=viewer).status_code == 200
    problem(client.post("/v1/detect", content=b"x", headers=viewer), 403, "forbidden")
    problem(client.post("/v1/detect", content=b"x", headers=operator), 403, "forbidden")
    problem(client.post("/drain", headers=viewer), 403, "forbidden")


def test_the_job_of_another_is_not_there(gateway: Gateway, client: httpx.Client, media: Path) -> None:
    mine, others = key_of(gateway, Role.ANALYST, "me"), key_of(gateway, Role.ANALYST, "somebody")
    job = client.post("/v1/jobs", content=(media / "wall.png").read_bytes(), headers=mine).json()["id"]
    for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        problem(client.request(method, f"/v1/jobs/{job}{path}", headers=others), 404, "not_found")
    assert client.get("/v1/jobs", headers=others).json() == {"jobs": []}
    assert [one["id"] for one in client.get("/v1/jobs", headers=mine).json()["jobs"]] == [job]


def test_a_key_that_is_revoked_ends_within_a_second(gateway: Gateway, client: httpx.Client) -> None:
    header = key_of(gateway, Role.VIEWER, "revoked")
    assert client.get("/v1/model", headers=header).status_code == 200
    state = open_state(Settings.load(state_folder=gateway.state))
    state.keys.revoke(state.keys.find("revoked")[0].id)
    state.close()
    time.sleep(REMEMBERED_S)
    problem(client.get("/v1/model", headers=header), 401, "unauthorised")


def test_the_first_key_is_kept_to_its_owner(gateway: Gateway) -> None:
    file = gateway.state / "api_key"
    assert file.read_text().strip() == gateway.key
    for path in (gateway.state, *gateway.state.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


# Models, operations, pages.


def test_the_model_is_named_with_its_thresholds_and_limits(client: httpx.Client) -> None:
    answer = client.get("/v1/model")
    assert answer.json()["thresholds"]["decide_at"] == 0.5 and answer.json()["limits"]["picture_bytes"] == 2 << 20
    assert client.get("/v1/model", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_readiness_asks_the_whole_path_and_remembers_it_for_a_moment(
    gateway: Gateway, client: httpx.Client, triton_server: TritonServer
) -> None:
    from tests.serving import metric

    time.sleep(2.1)
    before = metric(triton_server, "nv_inference_request_success", model="cascade")
    assert client.get("/readyz").json()["status"] == "ready"
    asked = metric(triton_server, "nv_inference_request_success", model="cascade")
    assert asked > before
    begun = time.monotonic()
    answers = [client.get("/readyz").status_code for _ in range(5)]
    if time.monotonic() - begun < 1.5:  # The supervisor asks now and then, too.
        assert metric(triton_server, "nv_inference_request_success", model="cascade") <= asked + 1
    assert answers == [200] * 5


def test_metrics_say_what_happened_and_nothing_about_whom(gateway: Gateway, client: httpx.Client, media: Path) -> None:
    client.post("/v1/detect", content=b"<html>")
    client.post("/v1/detect", content=(media / "portrait.png").read_bytes())
    text = client.get("/metrics").text
    for line in (
        'awarenet_gateway_requests_total{method="POST",route="/v1/detect",status="200"}',
        'awarenet_gateway_rejects_total{code="unsupported_media"}',
        "awarenet_gateway_exits_total{exit_stage=",
        "awarenet_gateway_face_px_bucket",
        "awarenet_gateway_face_sharpness_bucket",
        "awarenet_gateway_queue 0.0",
        "awarenet_gateway_clips_waiting 0.0",
        "awarenet_gateway_workers 1.0",
    ):
        assert line in text
    assert gateway.key.split("_")[1] not in text and "owner" not in text and "portrait" not in text


def test_logs_are_json_with_the_id_of_the_request(gateway: Gateway, client: httpx.Client) -> None:
    client.get("/v1/model", headers={"X-Request-Id": "find-me"})
    time.sleep(0.2)
    lines = [json.loads(line) for line in gateway.log if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == "find-me"]
    assert (line["path"], line["status"]) == ("/v1/model", 200)
    assert gateway.key not in "".join(gateway.log)


def test_what_was_done_is_in_the_audit_log_and_the_chain_is_whole(
    gateway: Gateway, client: httpx.Client, media: Path
) -> None:
    client.post(
        "/v1/detect",
        files={"file": ("secret name.png", (media / "portrait.png").read_bytes())},
        headers={"X-Request-Id": "audited"},
    )
    deadline = time.monotonic() + 10
    lines: list[dict[str, Any]] = []
    while not lines and time.monotonic() < deadline:
        text = "".join(path.read_text() for path in sorted((gateway.state / "audit").glob("*.jsonl")))
        lines = [line for line in map(json.loads, text.splitlines()) if line.get("request_id") == "audited"]
    assert (lines[0]["action"], lines[0]["outcome"]) == ("detect", "allowed")
    assert lines[0]["verdict"] and lines[0]["model_version"] and lines[0]["policy_version"]
    assert "secret" not in text and "owner" not in text
    state = open_state(Settings.load(state_folder=gateway.state))
    assert isinstance(state.audit, AuditLog) and state.audit.verify().whole
    state.close()


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/v1/model", "/livez", "/v1/nothing"])
def test_every_answer_has_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
    assert "server" not in headers and "access-control-allow-origin" not in headers


def test_the_pages_say_what_this_is(client: httpx.Client) -> None:
    assert "not proof" in client.get("/").text
    docs = client.get("/docs").text
    assert "problem-damaged_media" in docs and "POST /v1/detect" in docs and "<script" not in docs


def test_other_origins_may_not_call(client: httpx.Client) -> None:
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in client.options("/v1/detect", headers=origin).headers


# Jobs.


def test_a_clip_is_judged_and_its_media_deleted(gateway: Gateway, client: httpx.Client, media: Path) -> None:
    answer = client.post("/v1/jobs", files={"file": ("clip.mp4", (media / "clip.mp4").read_bytes())})
    assert answer.status_code == 202 and answer.json()["state"] == "queued"
    job = answer.json()["id"]
    assert answer.headers["location"] == f"/v1/jobs/{job}"
    content = finished(client, job)
    assert content["state"] == "succeeded" and content["progress"] == 1 and content["name"] == "clip.mp4"
    jsonschema.validate(content["verdict"], schema())
    assert len(content["verdict"]["tracks"]) == 1
    etag = client.get(f"/v1/jobs/{job}").headers["etag"]
    assert client.get(f"/v1/jobs/{job}", headers={"If-None-Match": etag}).status_code in {200, 304}


def test_a_job_can_be_watched_to_its_end(client: httpx.Client, media: Path) -> None:
    job = client.post("/v1/jobs", content=(media / "clip.mp4").read_bytes()).json()["id"]
    with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        seen = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
    assert seen[-1]["state"] == "succeeded" and seen[-1]["verdict"]["verdict"]
    assert [one["progress"] for one in seen] == sorted(one["progress"] for one in seen)


def test_a_job_with_bad_media_fails_for_good_and_says_why(client: httpx.Client, media: Path) -> None:
    job = client.post("/v1/jobs", files={"file": ("b.jpg", (media / "broken.jpg").read_bytes())}).json()["id"]
    content = finished(client, job)
    assert (content["state"], content["attempts"]) == ("failed", 1)
    assert content["problem"]["code"] == "damaged_media" and content["problem"]["detail"].startswith("b.jpg: ")
    assert content["problem"]["status"] == 422 and content["problem"]["instance"] == f"urn:awarenet:job:{content['id']}"


def test_a_job_that_is_sent_twice_under_one_key_is_one_job(client: httpx.Client, media: Path) -> None:
    wall, key = (media / "wall.png").read_bytes(), {"Idempotency-Key": "one job"}
    first, second = (client.post("/v1/jobs", content=wall, headers=key) for _ in range(2))
    assert first.json()["id"] == second.json()["id"] and second.headers["idempotency-replayed"] == "true"
    problem(client.post("/v1/jobs", content=other(7), headers=key), 409, "conflict")


def test_a_job_that_is_deleted_is_gone_with_its_media(gateway: Gateway, client: httpx.Client, media: Path) -> None:
    job = client.post("/v1/jobs", content=(media / "clip.mp4").read_bytes()).json()["id"]
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    problem(client.get(f"/v1/jobs/{job}"), 404, "not_found")
    problem(client.delete(f"/v1/jobs/{job}"), 404, "not_found")
    time.sleep(0.5)
    for one in client.get("/v1/jobs").json()["jobs"]:
        finished(client, one["id"])


# The OpenAPI document.


def test_the_document_is_openapi_3_1_and_its_examples_obey_it(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    resolver = {"components": document["components"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["x-codeSamples"], f"{method} {path} has no example"
            for answer in operation["responses"].values():
                content = answer.get("content", {}).get("application/json", {})
                if "example" in content:
                    jsonschema.Draft202012Validator({**content["schema"], **resolver}).validate(content["example"])


def test_the_examples_of_the_document_run(gateway: Gateway, client: httpx.Client, media: Path) -> None:
    document = client.get("/openapi.json").json()
    job = client.post("/v1/jobs", content=(media / "wall.png").read_bytes()).json()["id"]
    finished(client, job)
    environment = {**os.environ, "GATEWAY": gateway.url, "KEY": gateway.key, "JOB": job}
    ran = 0
    # What cannot be undone goes last; draining has a test of its own.
    operations = [
        (path, method, operation)
        for last in (False, True)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path != "/drain" and (method == "delete") is last
    ]
    for path, method, operation in operations:
        for sample in operation["x-codeSamples"]:
            done = subprocess.run(
                ["bash", "-c", sample["source"] + " --silent --show-error"],
                cwd=media,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 0, f"{method} {path}: {done.stdout} {done.stderr}"
            answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            content = answers[0].get("content", {}).get("application/json")
            if content is not None:
                whole = {**content["schema"], "components": document["components"]}
                jsonschema.Draft202012Validator(whole).validate(json.loads(done.stdout))
            ran += 1
    assert ran >= 11


def test_requests_made_from_the_document_find_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """Schemathesis: no request makes the service fail, and every answer is as the document says."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.url}/openapi.json"]
    command += ["--header", f"X-API-Key: {gateway.key}", "--exclude-path", "/drain", "--max-examples", "4"]
    command += ["--exclude-path-regex", "/events$", "--phases", "examples,coverage,fuzzing", "--seed", "1"]
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command += ["--checks", checks, "--request-timeout", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
