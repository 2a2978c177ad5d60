"""The gateway when things go wrong: overload, drain, callers that leave or dawdle, processes that are killed."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from awarenet.runtime.server import TritonServer
from tests.gateway import Gateway, running
from tests.integration.test_gateway import finished, other, problem
from tests.samples import astronaut, save_clip
from tests.serving import connect, eventually, segments

NUMBERS = itertools.count(1000)


@pytest.fixture(scope="module")
def gateway(
    triton_server: TritonServer, tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One worker, room for two pictures to wait, and little patience."""
    state = tmp_path_factory.mktemp("faults") / "state"
    limits = {
        "queue": 2,
        "header_timeout_s": 1,
        "upload_timeout_s": 2,
        "requests": 20,
        "worker_memory_bytes": 512 << 20,
    }
    with running(triton_server.grpc_url, tiny_repository, state, **limits) as started:
        yield started


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return save_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", [astronaut()] * 6).read_bytes()


@contextmanager
def frozen(gateway: Gateway) -> Iterator[None]:
    """Stops every worker for a while."""
    pids = [worker.pid for worker in gateway.workers()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def dialled(gateway: Gateway) -> Iterator[socket.socket]:
    """A bare connection."""
    with socket.create_connection(gateway.address, timeout=15) as connection:
        yield connection


def head(gateway: Gateway, length: int) -> bytes:
    """The headers of a request to judge a picture."""
    lines = ["POST /v1/detect HTTP/1.1", "Host: test", f"X-API-Key: {gateway.key}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def everything(connection: socket.socket) -> bytes:
    """What the server says until it closes the connection."""
    said = b""
    while block := connection.recv(65536):
        said += block
    return said


def alive(gateway: Gateway) -> bool:
    """Whether a picture is judged that no cache knows, at the latest when the workers are back."""
    with gateway.client() as client:
        return eventually(lambda: client.post("/v1/detect", content=other(next(NUMBERS))).status_code == 200)


def test_a_full_queue_refuses_with_a_time_and_answers_what_it_took(gateway: Gateway) -> None:
    assert alive(gateway)
    with gateway.client() as client, ThreadPoolExecutor(12) as threads:
        with frozen(gateway):
            answers = [threads.submit(client.post, "/v1/detect", content=other(100 + one)) for one in range(10)]
            assert eventually(lambda: sum(answer.done() for answer in answers) == 7)
            for answer in answers:
                if answer.done():
                    problem(answer.result(), 503, "overloaded")
                    assert int(answer.result().headers["retry-after"]) >= 1
        assert sorted(answer.result().status_code for answer in answers) == [200] * 3 + [503] * 7
    assert alive(gateway)


def test_a_worker_that_is_killed_is_replaced_and_the_service_goes_on(gateway: Gateway) -> None:
    before = gateway.workers()
    for worker in before:
        worker.kill()
    assert alive(gateway)
    assert not {worker.pid for worker in gateway.workers()} & {worker.pid for worker in before}


def test_a_caller_that_leaves_the_queue_costs_no_work(gateway: Gateway) -> None:
    before = gateway.metric("verdicts_total")
    picture = other(201)
    with frozen(gateway), dialled(gateway) as first, dialled(gateway) as second:
        first.sendall(head(gateway, len(picture)) + picture)
        assert eventually(lambda: gateway.metric("running") == 1)
        second.sendall(head(gateway, len(picture)) + picture)
        assert eventually(lambda: gateway.metric("queue") == 1)
        second.close()
        assert eventually(lambda: gateway.metric("queue") == 0)
        first.close()
        assert eventually(lambda: gateway.metric("in_flight") == 0)
    assert eventually(lambda: gateway.metric("running") == 0)
    assert gateway.metric("verdicts_total") <= before + 1


def test_headers_that_come_too_slowly_are_cut_off(gateway: Gateway) -> None:
    with dialled(gateway) as connection:
        begun = time.monotonic()
        connection.sendall(b"POST /v1/detect HTTP/1.1\r\nHost: test\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 400 ")
        assert 0.5 < time.monotonic() - begun < 10


def test_headers_without_end_are_cut_off(gateway: Gateway) -> None:
    with dialled(gateway) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (one, b"a" * 1000) for one in range(60)))
        assert b"400" in everything(connection)


def test_a_body_that_comes_too_slowly_is_a_problem(gateway: Gateway) -> None:
    with dialled(gateway) as connection:
        connection.sendall(head(gateway, 1000) + b"\x89PNG")
        said = everything(connection)
        assert said.startswith(b"HTTP/1.1 408 ") and b'"code":"body_too_slow"' in said
        assert b"connection: close" in said.lower()


def test_a_refusal_before_the_end_of_the_body_reaches_a_caller_who_still_sends(gateway: Gateway) -> None:
    with dialled(gateway) as connection:
        length = 30 << 20  # Over the limit, which the headers show.
        connection.sendall(head(gateway, length))
        time.sleep(0.5)  # The answer is there by now.
        for _ in range(8):
            connection.sendall(bytes(1 << 20))
        said = everything(connection)
        assert said.startswith(b"HTTP/1.1 413 ") and b'"code":"body_too_large"' in said
        assert b"connection: close" in said.lower()


def test_an_upload_that_is_cut_off_leaves_nothing(gateway: Gateway) -> None:
    with dialled(gateway) as connection:
        connection.sendall(head(gateway, 1000) + b"\x89PNG")
        connection.shutdown(socket.SHUT_WR)
        everything(connection)
    assert eventually(lambda: gateway.metric("in_flight") == 0)
    assert alive(gateway)


@pytest.mark.parametrize("sent", ["half", "whole"])
def test_a_caller_who_leaves_while_a_job_is_made_leaves_no_job(gateway: Gateway, clip: bytes, sent: str) -> None:
    """The database is held still, so that the caller leaves between the whole upload and the answer."""
    lines = ["POST /v1/jobs HTTP/1.1", "Host: test", f"X-API-Key: {gateway.key}", f"Content-Length: {len(clip)}"]
    head = "\r\n".join([*lines, "", ""]).encode()
    kept = gateway.state / "media"
    with closing(sqlite3.connect(gateway.state / "gateway.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        with dialled(gateway) as connection:
            connection.sendall(head + (clip if sent == "whole" else clip[: len(clip) // 2]))
            assert eventually(lambda: gateway.metric("in_flight") == 1)
            if sent == "whole":
                assert eventually(lambda: any(path.name != "lock" for path in kept.iterdir()))
        time.sleep(0.2)
        database.execute("ROLLBACK")
    assert eventually(lambda: gateway.metric("in_flight") == 0)
    with gateway.client() as client:
        assert client.get("/v1/jobs").json() == {"jobs": []}
    assert eventually(lambda: [path.name for path in kept.iterdir()] in ([], ["lock"]))


def test_idle_connections_do_not_keep_others_out(gateway: Gateway) -> None:
    idle = [socket.create_connection(gateway.address) for _ in range(300)]
    try:
        time.sleep(1.5)  # Longer than headers may take: nothing was begun, so nothing is late.
        assert alive(gateway)
        idle[0].sendall(b"GET /livez HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        assert everything(idle[0]).startswith(b"HTTP/1.1 200 ")
    finally:
        for connection in idle:
            connection.close()


def test_a_disk_that_is_full_refuses_jobs_and_keeps_nothing(gateway: Gateway, clip: bytes) -> None:
    """A limit on the size of files stands in for the full disk: the encrypted file is the only one that exceeds it."""
    padded = clip + bytes((1 << 20) - len(clip))
    process = psutil.Process(gateway.process.pid)
    unlimited = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (len(padded), unlimited[1]))
    try:
        with gateway.client() as client:
            problem(client.post("/v1/jobs", content=padded), 503, "unavailable")
            assert client.get("/v1/jobs").json() == {"jobs": []}
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, unlimited)
    assert not [path for path in (gateway.state / "media").iterdir() if path.name != "lock"]
    with gateway.client() as client:
        assert finished(client, client.post("/v1/jobs", content=padded).json()["id"])["state"] == "succeeded"


def test_a_job_whose_worker_is_killed_is_done_by_the_next(gateway: Gateway, clip: bytes) -> None:
    with gateway.client() as client:
        with frozen(gateway):
            job = client.post("/v1/jobs", content=clip).json()["id"]
            assert eventually(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "running")
            for worker in gateway.workers():
                worker.kill()
        content = finished(client, job)
        assert content["state"] == "succeeded" and content["verdict"]["faces"]


def test_a_gateway_that_is_killed_leaves_its_job_to_another_and_its_key_stays(
    triton_server: TritonServer, tiny_repository: Path, clip: bytes, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with running(triton_server.grpc_url, tiny_repository, state) as first, first.client() as client:
        for worker in first.workers():
            os.kill(worker.pid, signal.SIGSTOP)
        job = client.post("/v1/jobs", content=clip, headers={"Idempotency-Key": "job"}).json()["id"]
        assert eventually(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "running")
        workers = first.workers()
        first.process.kill()
        first.process.wait()
        assert eventually(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers))
    # The lease of 30 s must run out; another clock than the machine's is not at hand in a real process.
    with running(triton_server.grpc_url, tiny_repository, state) as second, second.client() as client:
        assert second.key == first.key
        again = client.post("/v1/jobs", content=clip, headers={"Idempotency-Key": "job"})
        assert again.json()["id"] == job
        content = finished(client, job, timeout_s=90)
        assert (content["state"], content["attempts"]) == ("succeeded", 2)
        assert len(content["verdict"]["tracks"]) == 1
        assert len(client.get("/v1/jobs").json()["jobs"]) == 1


def test_without_triton_the_service_starts_says_so_and_recovers(tiny_repository: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        running(f"grpc://127.0.0.1:{port}", tiny_repository, tmp_path / "state") as gateway,
        gateway.client() as client,
    ):
        assert client.get("/livez").status_code == 200
        problem(client.get("/readyz"), 503, "unavailable")
        problem(client.post("/v1/detect", content=other(1)), 503, "unavailable")
        job = client.post("/v1/jobs", content=other(1)).json()["id"]
        with TritonServer(tiny_repository, grpc_port=port) as triton:
            assert eventually(lambda: client.get("/readyz").status_code == 200, timeout_s=60)
            assert client.post("/v1/detect", content=other(2)).status_code == 200
            assert finished(client, job)["state"] == "succeeded"
            os.kill(triton.pid, signal.SIGKILL)
            problem(client.post("/v1/detect?route=full", content=other(3)), 503, "unavailable")
            # Readiness is remembered for two seconds: the answer itself tells first.
            assert eventually(lambda: client.post("/v1/detect", content=other(4)).status_code == 200, timeout_s=60)
            assert eventually(lambda: client.get("/readyz").status_code == 200, timeout_s=60)


def test_draining_finishes_what_is_under_way_and_takes_nothing_new(
    triton_server: TritonServer, tiny_repository: Path, tmp_path: Path
) -> None:
    with (
        running(triton_server.grpc_url, tiny_repository, tmp_path / "state", picture_timeout_s=60) as gateway,
        gateway.client() as client,
        ThreadPoolExecutor() as threads,
    ):
        with frozen(gateway):
            under_way = [threads.submit(client.post, "/v1/detect", content=other(one)) for one in range(2)]
            assert eventually(lambda: gateway.metric("in_flight") == 2)
            draining = threads.submit(client.post, "/drain")
            assert eventually(lambda: client.get("/readyz").status_code == 503)
            problem(client.post("/v1/detect", content=other(9)), 503, "unavailable")
            assert not draining.done()
        assert [answer.result().status_code for answer in under_way] == [200, 200]
        assert draining.result().json() == {"drained": True, "in_flight": 0}
        assert client.get("/livez").status_code == 200


def test_a_signal_under_load_loses_no_request_that_was_taken(
    triton_server: TritonServer, tiny_repository: Path, tmp_path: Path
) -> None:
    with (
        running(triton_server.grpc_url, tiny_repository, tmp_path / "state", queue=50, picture_timeout_s=60) as gateway,
        gateway.client() as client,
        ThreadPoolExecutor(10) as threads,
    ):
        workers = gateway.workers()
        with frozen(gateway):
            answers = [threads.submit(client.post, "/v1/detect", content=other(one)) for one in range(10)]
            assert eventually(lambda: gateway.metric("in_flight") == 10)
            gateway.process.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in answers] == [200] * 10
        assert gateway.process.wait(30) == 0
        assert not any(psutil.pid_exists(worker.pid) for worker in workers)


def test_one_command_brings_up_triton_too_and_leaves_nothing(tiny_repository: Path, tmp_path: Path) -> None:
    before = segments()
    with running(None, tiny_repository, tmp_path / "state") as gateway, gateway.client() as client:
        children = psutil.Process(gateway.process.pid).children(recursive=True)
        assert any("tritonserver" in child.name() for child in children)
        assert eventually(lambda: client.get("/readyz").status_code == 200, timeout_s=60)
        assert client.post("/v1/detect", content=other(1)).status_code == 200
    assert gateway.process.returncode == 0
    assert not any(child.is_running() and child.status() != "zombie" for child in children)
    assert segments() <= before and not list(Path("/dev/shm").glob(f"awarenet-client-{gateway.process.pid}-*"))


def test_triton_keeps_no_memory_of_workers_that_were_killed(gateway: Gateway, triton_server: TritonServer) -> None:
    assert alive(gateway)
    with connect(triton_server) as triton:

        def mapped() -> set[str]:
            return {name.split("-")[2] for name in triton.get_system_shared_memory_status().regions}

        pids = {str(worker.pid) for worker in gateway.workers()}
        for worker in gateway.workers():
            worker.kill()
        assert eventually(lambda: not mapped() & pids)


def test_settings_that_make_no_sense_end_the_start_with_their_names(tiny_repository: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"AWARENET_WORKERS: .*correct them and start again"),
        running("grpc://127.0.0.1:1", tiny_repository, tmp_path / "state", workers=0),
    ):
        pass
