"""The client and the Triton runtime against a real server: every way of asking gives the in-process numbers."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import awarenet_client
import numpy as np
import pytest
import tritonclient.grpc
from awarenet_client import (
    AsyncClient,
    Client,
    ClientError,
    DeadlineExceeded,
    InvalidRequest,
    Scores,
    ServerError,
    protocol,
)
from awarenet_client.errors import from_status
from tritonclient.utils import InferenceServerException

from awarenet import errors
from awarenet.cascade import Decisions
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.runtime.server import TritonServer
from awarenet.runtime.triton import TritonRuntime
from awarenet.stages import FEATURES, MAX_BATCH
from tests import tiny_repository as tiny
from tests.serving import Answers, connect, eventually, frozen

KINDS = (tiny.SURELY_REAL, tiny.SURELY_FAKE, tiny.DOUBTFUL_REAL, tiny.DOUBTFUL_FAKE)
Protocol = Literal["grpc", "http"]


@pytest.fixture(scope="module")
def inprocess(tiny_repository: Path) -> InProcessRuntime:
    return InProcessRuntime(tiny_repository)


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, triton_server: TritonServer) -> str:
    return triton_server.grpc_url if request.param == "grpc" else triton_server.http_url


@pytest.fixture(params=[True, False], ids=["shared", "sent"])
def shared_memory(request: pytest.FixtureRequest) -> bool:
    if request.param and not Path("/dev/shm").is_dir():
        pytest.skip("this system has no /dev/shm")
    return bool(request.param)


@pytest.fixture(params=["grpc, shared", "http, sent"])
def way(request: pytest.FixtureRequest, triton_server: TritonServer) -> dict[str, Any]:
    """Two of the four ways, where the way is not what is tested."""
    if request.param.startswith("grpc"):
        return {"url": triton_server.grpc_url, "shared_memory": "auto"}
    return {"url": triton_server.http_url, "shared_memory": False}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert own_segments() == []


def own_segments(process: int | None = None) -> list[Path]:
    return list(Path("/dev/shm").glob(f"awarenet-client-{process or os.getpid()}-*"))


def regions(server: TritonServer) -> list[str]:
    with connect(server) as client:
        return [region.name for region in client.get_system_shared_memory_status().regions.values()]


def assert_same(scores: Scores | Decisions, expected: Scores | Decisions) -> None:
    np.testing.assert_array_equal(scores.probability, expected.probability)
    np.testing.assert_array_equal(scores.exit_stage, expected.exit_stage)
    np.testing.assert_array_equal(scores.evidence, expected.evidence)


@pytest.mark.parametrize("route", ["cascade", "full"])
async def test_every_way_of_asking_gives_the_in_process_numbers(
    url: str, shared_memory: bool, inprocess: InProcessRuntime, route: Any
) -> None:
    faces, sides = tiny.paint(*KINDS), np.float32([90, np.nan, 300, 400])
    expected = inprocess.score(faces, sides, route=route)
    with Client(url, shared_memory=shared_memory) as client:
        assert_same(client.score(faces, sides, route=route), expected)
    async with AsyncClient(url, shared_memory=shared_memory) as client:
        assert_same(await client.score(faces, sides, route=route), expected)


def test_long_batches_are_split_and_keep_their_order(
    url: str, shared_memory: bool, inprocess: InProcessRuntime
) -> None:
    kinds = np.random.default_rng(3).integers(0, len(KINDS), 2 * MAX_BATCH + 9)
    faces = tiny.paint(*(KINDS[kind] for kind in kinds))
    sides = np.linspace(50, 900, len(kinds), dtype=np.float32)
    with Client(url, shared_memory=shared_memory) as client:
        assert_same(client.score(faces, sides), inprocess.score(faces, sides))


def test_views_that_are_not_contiguous_are_scored_as_they_look(
    way: dict[str, Any], inprocess: InProcessRuntime
) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (4, 256, 256, 6), np.uint8)
    view = noise[::2, :, ::-1, 1:4]
    with Client(**way) as client:
        assert_same(client.score(view), inprocess.score(np.ascontiguousarray(view)))


def test_no_faces_need_no_server() -> None:
    with Client("grpc://localhost:1") as client:
        scores = client.score(np.empty((0, 256, 256, 3), np.uint8))
    assert scores.evidence.shape == (0, len(FEATURES))


def colour(number: int) -> tuple[int, int, int]:
    return (128, 8 * number % 256, 128)


def efficientnet_logit(scores: Scores) -> float:
    return float(scores.evidence[0, FEATURES.index("efficientnet_logit")])


def test_sixteen_threads_on_one_client_get_their_own_answers(url: str, shared_memory: bool) -> None:
    def ask(number: int) -> float:
        return efficientnet_logit(client.score(tiny.paint(colour(number)), route="full"))

    with Client(url, shared_memory=shared_memory) as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(48)))
    assert answers == [(colour(number)[1] - 128) / 16 for number in range(48)]


async def test_sixteen_tasks_on_one_client_get_their_own_answers(way: dict[str, Any]) -> None:
    async with AsyncClient(**way) as client:
        gate = asyncio.Semaphore(16)

        async def ask(number: int) -> float:
            async with gate:
                return efficientnet_logit(await client.score(tiny.paint(colour(number)), route="full"))

        answers = await asyncio.gather(*(ask(number) for number in range(48)))
    assert answers == [(colour(number)[1] - 128) / 16 for number in range(48)]


async def test_the_policy_is_the_repositorys(url: str, inprocess: InProcessRuntime) -> None:
    with Client(url) as client:
        assert client.policy()["models"] == dict(inprocess.policy.models)
    async with AsyncClient(url) as client:
        assert (await client.policy())["real_below"] == inprocess.policy.real_below


# --- readiness


async def test_ready_means_that_it_scores(url: str, triton_server: TritonServer) -> None:
    with Client(url) as client:
        assert client.ready(timeout=30)
        with frozen(triton_server, "cascade"):  # Triton's own health routes stay green
            assert connect(triton_server).is_server_ready()
            assert not client.ready(timeout=0.3)
        assert eventually(client.ready)
    async with AsyncClient(url) as client:
        assert await client.ready(timeout=30)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
async def test_nobody_there_is_not_ready(scheme: Protocol) -> None:
    with Client(f"{scheme}://127.0.0.1:1") as client:
        assert not client.ready()
    async with AsyncClient(f"{scheme}://127.0.0.1:1") as client:
        assert not await client.ready()


# --- deadlines and cancelling


async def test_a_deadline_ends_the_call_and_not_the_client(way: dict[str, Any]) -> None:
    with Client(**way) as client:
        with pytest.raises(DeadlineExceeded, match=way["url"]) as caught:
            client.score(tiny.paint(tiny.SLOW), timeout=0.15)
        assert "`timeout`" in str(caught.value)
        assert client.score(tiny.paint(tiny.SURELY_REAL)).exit_stage.tolist() == [1]
    async with AsyncClient(**way, timeout=0.15) as client:
        with pytest.raises(DeadlineExceeded, match=way["url"]):
            await client.score(tiny.paint(tiny.SLOW))
        assert (await client.score(tiny.paint(tiny.SURELY_REAL), timeout=20)).exit_stage.tolist() == [1]


def test_the_server_is_told_the_deadline_and_honours_it_in_its_queues(triton_server: TritonServer) -> None:
    """Only the server keeps time here: the calls themselves have no deadline."""
    answers = Answers()
    late = protocol.Request(tiny.paint(tiny.SURELY_REAL), np.ones(1, np.float32), "cascade")
    asked = protocol.encode(late, 0.05, tritonclient.grpc)
    with connect(triton_server) as raw:
        with frozen(triton_server, "cascade"):
            for _ in range(4):  # one for each of the two instances, the rest waits
                answers.send(raw, late.faces, timeout=asked["timeout"], parameters=asked["parameters"])
                time.sleep(0.1)  # longer than the deadline
        refusals = [answer for answer in answers.wait() if isinstance(answer, InferenceServerException)]
    assert refusals
    for error in refusals:
        assert type(from_status("u", error.status() or "", error.message() or "")) is DeadlineExceeded


async def test_cancelling_a_task_ends_its_call_and_not_the_client(way: dict[str, Any]) -> None:
    async with AsyncClient(**way) as client:
        await client.score(tiny.paint(tiny.SURELY_FAKE))
        task = asyncio.create_task(client.score(tiny.paint(tiny.SLOW)))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.score(tiny.paint(tiny.SURELY_FAKE))).exit_stage.tolist() == [1]


# --- what the server refuses


async def test_a_failing_stage_is_named_alike_over_both_protocols(url: str) -> None:
    with Client(url) as client:
        with pytest.raises(ServerError, match="efficientnet") as caught:
            client.score(tiny.paint(tiny.BROKEN))
        assert type(caught.value) is ServerError
    async with AsyncClient(url) as client:
        with pytest.raises(ServerError, match="efficientnet"):
            await client.score(tiny.paint(tiny.BROKEN))


def test_what_the_server_itself_refuses_is_an_invalid_request(url: str) -> None:
    """The client checks first, so this goes around its check."""
    with Client(url) as client:
        transport = client._session._transport
        wrong = protocol.Request(np.zeros((1, 64, 64, 3), np.uint8), np.ones(1, np.float32), "cascade")
        with pytest.raises(InvalidRequest, match="shape"):
            awarenet_client.transport.finish(transport.infer(wrong, 5))
        other = protocol.Request(tiny.paint(tiny.SURELY_REAL), np.ones(1, np.float32), "fast")  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest, match="route"):
            awarenet_client.transport.finish(transport.infer(other, 5))


def crossed(server: TritonServer) -> list[str]:
    grpc, http = server.grpc_url.removeprefix("grpc://"), server.http_url.removeprefix("http://")
    return [f"http://{grpc}", f"grpc://{http}", f"grpcs://{grpc}", f"https://{http}"]


@pytest.mark.parametrize("which", range(4), ids=["http to grpc", "grpc to http", "grpc with TLS", "http with TLS"])
async def test_the_wrong_protocol_is_a_client_error_that_names_the_address(
    triton_server: TritonServer, which: int
) -> None:
    wrong = crossed(triton_server)[which]
    with Client(wrong, retries=0) as client, pytest.raises(ClientError, match=wrong):
        client.score(tiny.paint(tiny.SURELY_REAL), timeout=3)
    async with AsyncClient(wrong, retries=0) as client:
        with pytest.raises(ClientError, match=wrong):
            await client.score(tiny.paint(tiny.SURELY_REAL), timeout=3)


# --- shared memory


async def test_a_region_is_registered_once_reused_and_unregistered(url: str, triton_server: TritonServer) -> None:
    before = set(regions(triton_server))
    with Client(url, shared_memory=True) as client:
        for _ in range(3):
            client.score(tiny.paint(*KINDS))
        assert len(set(regions(triton_server)) - before) == 1
    assert set(regions(triton_server)) == before
    client.close()
    with pytest.raises(InvalidRequest, match="closed"):
        client.score(tiny.paint(tiny.SURELY_REAL))
    async with AsyncClient(url, shared_memory=True) as later:
        await asyncio.gather(*(later.score(tiny.paint(*KINDS)) for _ in range(6)))
        assert len(set(regions(triton_server)) - before) == 1
    assert set(regions(triton_server)) == before


def test_a_client_that_was_forgotten_cleans_up(url: str, triton_server: TritonServer) -> None:
    before = set(regions(triton_server))
    client = Client(url, shared_memory=True)
    client.score(tiny.paint(tiny.SURELY_REAL))
    threads = {thread.name for thread in threading.enumerate() if thread.name.startswith("awarenet-client")}
    assert threads == ({"awarenet-client-http"} if url.startswith("http") else set())
    del client
    gc.collect()
    assert set(regions(triton_server)) == before
    assert eventually(lambda: not any(t.name.startswith("awarenet-client") for t in threading.enumerate()))


async def test_an_asyncio_client_that_was_forgotten_says_so(triton_server: TritonServer) -> None:
    client = AsyncClient(triton_server.grpc_url, shared_memory=True)
    await client.score(tiny.paint(tiny.SURELY_REAL))
    session = client._session
    with pytest.warns(ResourceWarning, match="async with"):
        del client
        gc.collect()
    await session.close()


@pytest.mark.parametrize("end", ["sys.exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"], ids=["exits", "is killed"])
def test_a_process_that_ends_without_closing_leaves_nothing(url: str, triton_server: TritonServer, end: str) -> None:
    before = set(regions(triton_server))
    code = f"""
import os, signal, sys
import numpy as np
from awarenet_client import Client
client = Client({url!r}, shared_memory=True)
client.score(np.zeros((1, 256, 256, 3), np.uint8))
{end}
"""
    root = Path(awarenet_client.__file__).parents[1]
    process = subprocess.Popen([sys.executable, "-c", code], cwd=root, stderr=subprocess.PIPE, text=True)
    _, complaints = process.communicate(timeout=60)
    assert own_segments(process.pid) == []
    assert complaints == ""
    left = set(regions(triton_server)) - before
    if process.returncode == 0:
        assert left == set()
    else:  # the server alone still maps it; nobody but us can tell it to forget
        with connect(triton_server) as client:
            for name in left:
                client.unregister_system_shared_memory(name)


def test_auto_falls_back_where_the_region_cannot_be_made(
    triton_server: TritonServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("awarenet_client.memory.DIRECTORY", tmp_path)  # the server looks elsewhere
    with Client(triton_server.grpc_url) as client:
        assert client.score(tiny.paint(tiny.SURELY_REAL)).exit_stage.tolist() == [1]
    with Client(triton_server.grpc_url, shared_memory=True) as client, pytest.raises(InvalidRequest, match="auto"):
        client.score(tiny.paint(tiny.SURELY_REAL))
    assert list(tmp_path.iterdir()) == []


# --- the runtime


def test_the_triton_runtime_answers_as_the_in_process_one(
    url: str, triton_server: TritonServer, inprocess: InProcessRuntime
) -> None:
    runtime = TritonRuntime(url)
    assert runtime.policy == inprocess.policy
    faces, sides = tiny.paint(*KINDS, *KINDS), np.full(8, 200, np.float32)
    for route in ("cascade", "full"):
        assert_same(runtime.score(faces, sides, route=route), inprocess.score(faces, sides, route=route))
    runtime.close()
    runtime.close()


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda runtime: runtime.score(np.zeros((1, 8, 8, 3), np.uint8)), errors.TensorError),
        (lambda runtime: runtime.score(tiny.paint(tiny.SURELY_REAL), np.zeros(1, np.float32)), errors.TensorError),
        (lambda runtime: runtime.score(tiny.paint(tiny.SURELY_REAL), route="fast"), errors.InvalidInput),
        (lambda runtime: runtime.score(tiny.paint(tiny.SLOW), timeout_s=0.1), errors.DeadlineExceeded),
        (lambda runtime: runtime.score(tiny.paint(tiny.BROKEN)), errors.ServiceError),
    ],
)
def test_both_runtimes_fail_in_the_projects_own_words(
    triton_server: TritonServer, inprocess: InProcessRuntime, ask: Callable[[Any], object], kind: type[Exception]
) -> None:
    runtime = TritonRuntime(triton_server.grpc_url)
    for one in (runtime, inprocess):
        with pytest.raises(kind) as caught:
            ask(one)
        assert type(caught.value) is kind
    runtime.close()


def test_a_runtime_without_a_server_names_url_and_remedy() -> None:
    with pytest.raises(errors.Unavailable, match=r"grpc://127\.0\.0\.1:1: .*awarenet serve"):
        TritonRuntime("grpc://127.0.0.1:1", retries=0)
    with pytest.raises(errors.InvalidInput, match="grpc://host:port"):
        TritonRuntime("127.0.0.1:1")
