"""The client's logic without a server: wire contract, splitting, errors, retries, deadlines, shared memory pieces."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent import futures
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import awarenet_client
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from awarenet_client import (
    Cancelled,
    Client,
    ClientError,
    DeadlineExceeded,
    InvalidRequest,
    Scores,
    ServerError,
    Unavailable,
    protocol,
)
from awarenet_client.errors import from_status
from awarenet_client.memory import DIRECTORY, Region
from awarenet_client.protocol import Address, Request, Shared
from awarenet_client.retry import FIRST_PAUSE_S, LONGEST_PAUSE_S, RetryBudget, pause
from awarenet_client.session import IN_FLIGHT, Session
from awarenet_client.transport import Blocking, Suspending, finish
from hypothesis import given, settings
from hypothesis import strategies as st

from awarenet import stages

needs_shared_memory = pytest.mark.skipif(not DIRECTORY.is_dir(), reason="this system has no /dev/shm")


def faces(count: int) -> np.ndarray:
    batch = np.zeros((count, 256, 256, 3), np.uint8)
    batch[:, 0, 0, 0] = np.arange(count) % 251
    return batch


def scores_of(request: Request) -> Scores:
    """An answer from which each face can be told."""
    first = request.faces[:, 0, 0, 0]
    evidence = np.repeat(first[:, None], len(protocol.EVIDENCE), axis=1).astype(np.float32)
    return Scores(first.astype(np.float32) / 255, np.ones(len(first), np.int32), evidence)


# --- the wire contract


def test_names_are_those_of_the_stage_registry() -> None:
    inputs, outputs = stages.CASCADE.inputs, stages.CASCADE.outputs
    assert stages.CASCADE.name == protocol.MODEL
    assert tuple(tensor.name for tensor in inputs) == (protocol.FACE, protocol.FACE_PX)
    assert tuple(tensor.name for tensor in outputs) == (
        protocol.PROBABILITY,
        protocol.EXIT_STAGE,
        protocol.EVIDENCE_OUTPUT,
    )
    assert stages.FEATURES == protocol.EVIDENCE
    assert stages.ROUTES == protocol.ROUTES
    assert (stages.FACE_SIZE, stages.MAX_BATCH) == (protocol.FACE_SIZE, protocol.MAX_BATCH)


def test_the_client_needs_neither_the_project_nor_both_protocols() -> None:
    code = (
        "import sys, awarenet_client as c; c.Client('http://localhost:1').close();"
        "bad = {'awarenet', 'tritonclient.grpc', 'torch', 'cv2', 'onnxruntime'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(bad)) or 0)"
    )
    root = Path(awarenet_client.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", [tritonclient.grpc, tritonclient.http])
def test_a_request_says_route_deadline_and_tensors(module: Any) -> None:
    arguments = protocol.encode(Request(faces(2), np.float32([100, np.nan]), "full"), 1.5, module)
    assert arguments["timeout"] == 1_500_000
    assert arguments["parameters"] == {"route": "full"}
    assert [(tensor.name(), tensor.shape(), tensor.datatype()) for tensor in arguments["inputs"]] == [
        ("face", [2, 256, 256, 3], "UINT8"),
        ("face_px", [2, 1], "FP32"),
    ]
    assert [output.name() for output in arguments["outputs"]] == ["probability", "exit_stage", "evidence"]


@pytest.mark.parametrize(
    ("arrays", "culprit"),
    [
        ({"probability": None}, "url: probability: .* got nothing"),
        ({"exit_stage": np.zeros((2, 1), np.float32)}, "exit_stage: expected int32"),
        ({"evidence": np.zeros((2, 3), np.float32)}, r"evidence: expected float32 \[2, 8\]"),
        ({"probability": np.zeros((1, 1), np.float32)}, r"probability: .* \[1, 1\]"),
    ],
)
def test_an_answer_that_breaks_the_contract_is_refused_by_name(arrays: dict[str, Any], culprit: str) -> None:
    good = {
        "probability": np.zeros((2, 1), np.float32),
        "exit_stage": np.ones((2, 1), np.int32),
        "evidence": np.zeros((2, 8), np.float32),
    }
    request = Request(faces(2), np.zeros(2, np.float32), "cascade")
    assert protocol.decode(SimpleNamespace(as_numpy=good.get), request, "url").probability.shape == (2,)
    with pytest.raises(ServerError, match=culprit):
        protocol.decode(SimpleNamespace(as_numpy={**good, **arrays}.get), request, "url")


@pytest.mark.parametrize(
    "config", [{}, {"parameters": {}}, {"parameters": {"policy": {"string_value": "{"}}}, {"parameters": None}]
)
def test_a_server_without_a_policy_is_named(config: dict[str, Any]) -> None:
    with pytest.raises(ServerError, match="export assemble"):
        protocol.policy(config, "url")


# --- arguments


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((1, 256, 256, 3), np.float32),
        np.zeros((1, 3, 256, 256), np.uint8),
        np.zeros((256, 256, 3), np.uint8),
        np.zeros((1, 256, 256), np.uint8),
        np.zeros((), np.uint8),
        [[1, 2]],
        None,
    ],
)
def test_faces_that_break_the_contract_are_refused_before_anything_is_sent(bad: Any) -> None:
    with pytest.raises(InvalidRequest, match="faces: expected uint8"):
        protocol.split(bad, None, "cascade")


@pytest.mark.parametrize(
    "bad", [np.ones(3), np.ones((2, 1)), np.array(["a", "b"]), 5.0, np.zeros(2), np.array([1, np.inf])]
)
def test_face_px_must_be_one_size_a_face(bad: Any) -> None:
    with pytest.raises(InvalidRequest, match="face_px"):
        protocol.split(faces(2), bad, "cascade")


def test_an_unknown_route_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="cascade, full"):
        protocol.split(faces(1), None, "fast")  # type: ignore[arg-type]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 200))
def test_splitting_and_joining_keep_every_face_in_order(count: int) -> None:
    batch, sides = faces(count), 1 + np.arange(count, dtype=np.float32)
    requests = protocol.split(batch, sides, "cascade")
    assert all(1 <= len(request.faces) <= protocol.MAX_BATCH for request in requests)
    together = protocol.join([scores_of(request) for request in requests])
    np.testing.assert_array_equal(together.probability, (batch[:, 0, 0, 0] / np.float32(255)).astype(np.float32))
    assert together.evidence.shape == (count, len(protocol.EVIDENCE))
    assert together.exit_stage.dtype == np.int32
    sent = np.concatenate([np.empty(0, np.float32), *(request.face_px for request in requests)])
    np.testing.assert_array_equal(sent, sides)


# --- addresses


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("grpc://localhost:9001", ("grpc", False, "localhost:9001", True)),
        ("grpc://server", ("grpc", False, "server:8001", False)),
        ("grpcs://server", ("grpc", True, "server:443", False)),
        ("http://127.0.0.1:8000/", ("http", False, "127.0.0.1:8000", True)),
        ("https://server/triton/", ("http", True, "server:443/triton", False)),
        ("http://[::1]:8000", ("http", False, "[::1]:8000", True)),
    ],
)
def test_addresses(url: str, expected: tuple[str, bool, str, bool]) -> None:
    address = Address.parse(url)
    assert (address.protocol, address.secure, address.target, address.local) == expected


@pytest.mark.parametrize("url", ["", "localhost:8001", "ftp://host", "grpc://", "grpc://host:port", "http://h:99999"])
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(InvalidRequest, match="grpc://host:port"):
        Client(url)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": -1}, {"retries": -1}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="timeout must be"):
        Client("grpc://localhost:1", **options)


# --- errors


@pytest.mark.parametrize(
    ("grpc", "http", "kind"),
    [
        ("StatusCode.INVALID_ARGUMENT", "400", InvalidRequest),
        ("StatusCode.UNAVAILABLE", "503", Unavailable),
        ("StatusCode.DEADLINE_EXCEEDED", "504", DeadlineExceeded),
        ("StatusCode.CANCELLED", "499", Cancelled),
        ("StatusCode.INTERNAL", "500", ServerError),
        ("StatusCode.NOT_FOUND", "404", ServerError),
        ("StatusCode.UNKNOWN", "", ServerError),
    ],
)
def test_both_protocols_fail_alike(grpc: str, http: str, kind: type[ClientError]) -> None:
    for status in (grpc, http):
        error = from_status("grpc://server:1", status, "the server's words")
        assert type(error) is kind
        assert str(error).startswith("grpc://server:1: the server's words; ")


@pytest.mark.parametrize("words", ["Request timeout expired", "deadline exceeded before every stage had run"])
def test_a_deadline_that_passed_on_the_server_is_a_deadline(words: str) -> None:
    assert type(from_status("u", "503", words)) is DeadlineExceeded


# --- retries, deadlines, shared memory: the session over a transport that fails on demand


class Scripted(Blocking):
    """Fails with the given errors in turn, then answers; waits on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failures: Sequence[ClientError] = ()) -> None:
        self.failures = list(failures)
        self.now = 0.0
        self.slept: list[float] = []
        self.sent: list[Request] = []
        self.timeouts: list[float] = []
        self.regions: list[str] = []
        self.forgotten: list[str] = []
        self.refuse_registration: ClientError | None = None
        self.closed = 0
        monkeypatch.setattr("awarenet_client.session.monotonic", lambda: self.now)
        monkeypatch.setattr("awarenet_client.session.pause", lambda attempt: pause(attempt, 1.0))

    async def call(self, method: str, timeout: float, /, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(method)

    async def infer(self, request: Request, timeout: float) -> Scores:
        self.sent.append(request)
        self.timeouts.append(timeout)
        self.now += 0.01
        if request.shared is not None and request.shared.region not in self.regions:
            raise InvalidRequest(f"Unable to find shared memory region: '{request.shared.region}'")
        if self.failures:
            raise self.failures.pop(0)
        return scores_of(request)

    async def register(self, region: Region, timeout: float) -> None:
        assert (DIRECTORY / region.name).exists()  # the server opens it by this name
        if self.refuse_registration is not None:
            raise self.refuse_registration
        self.regions.append(region.name)

    async def unregister(self, region: Region, timeout: float) -> None:
        self.forgotten.append(region.name)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def close(self) -> None:
        self.closed += 1


def session(transport: Scripted, *, retries: int = 4, timeout: float = 30.0, shared_memory: Any = False) -> Session:
    return Session(transport, Address.parse("grpc://localhost:1"), timeout, retries, shared_memory)


def score(session: Session, batch: np.ndarray, timeout: float | None = None) -> Scores:
    return finish(session.score(batch, None, "cascade", timeout))


def test_unavailable_is_tried_again_after_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Scripted(monkeypatch, [Unavailable("gone")] * 4)
    assert score(session(transport), faces(3)).probability.shape == (3,)
    assert transport.slept == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert transport.timeouts == sorted(transport.timeouts, reverse=True)  # each attempt has only what is left


def test_retries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Scripted(monkeypatch, [Unavailable("gone")] * 9)
    with pytest.raises(Unavailable):
        score(session(transport, retries=2), faces(1))
    assert len(transport.sent) == 3


@pytest.mark.parametrize("error", [InvalidRequest("x"), ServerError("x"), DeadlineExceeded("x"), Cancelled("x")])
def test_nothing_else_is_tried_again(monkeypatch: pytest.MonkeyPatch, error: ClientError) -> None:
    transport = Scripted(monkeypatch, [error])
    with pytest.raises(type(error)):
        score(session(transport), faces(1))
    assert len(transport.sent) == 1
    assert not transport.slept


def test_a_pause_that_would_outlast_the_deadline_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Scripted(monkeypatch, [Unavailable("gone")] * 9)
    with pytest.raises(Unavailable):
        score(session(transport), faces(1), timeout=0.35)
    assert transport.now <= 0.35
    assert len(transport.sent) == 3


def test_parts_of_a_long_batch_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Scripted(monkeypatch)
    with pytest.raises(DeadlineExceeded, match="grpc://localhost:1"):
        score(session(transport), faces(64 * 8), timeout=0.05)
    assert len(transport.sent) < 8


def test_pauses_have_full_jitter_and_a_ceiling() -> None:
    assert [pause(attempt, 0.0) for attempt in range(3)] == [0, 0, 0]
    assert [pause(attempt, 1.0) for attempt in (0, 1, 20, 2000)] == [
        FIRST_PAUSE_S,
        2 * FIRST_PAUSE_S,
        LONGEST_PAUSE_S,
        LONGEST_PAUSE_S,
    ]
    drawn = [pause(0) for _ in range(200)]
    assert 0 <= min(drawn) < FIRST_PAUSE_S / 4 < 3 * FIRST_PAUSE_S / 4 < max(drawn) <= FIRST_PAUSE_S


def test_a_client_that_only_fails_stops_retrying_and_starts_again_after_successes() -> None:
    budget = RetryBudget(tokens=4)
    assert [budget.failed() for _ in range(4)] == [True, False, False, False]
    for _ in range(25):
        budget.succeeded()
    assert budget.failed() is False
    for _ in range(20):
        budget.succeeded()
    assert budget.failed() is True


@needs_shared_memory
def test_faces_go_through_one_region_registered_once_and_forgotten_on_close(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Scripted(monkeypatch)
    with_memory = session(transport, shared_memory="auto")
    for _ in range(3):
        score(with_memory, faces(2))
    assert len(transport.regions) == 1
    assert [request.shared for request in transport.sent] == [Shared(transport.regions[0], 0)] * 3
    assert not list(DIRECTORY.glob(transport.regions[0]))  # the name is gone as soon as the server has it
    finish(with_memory.close())
    finish(with_memory.close())
    assert transport.forgotten == transport.regions
    assert transport.closed == 1
    with pytest.raises(InvalidRequest, match="closed"):
        score(with_memory, faces(1))


@needs_shared_memory
def test_a_server_that_was_restarted_gets_the_faces_sent_and_a_new_region_next(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Scripted(monkeypatch)
    with_memory = session(transport, shared_memory="auto")
    score(with_memory, faces(1))
    first = transport.regions.pop()
    assert score(with_memory, faces(2)).probability.shape == (2,)
    assert [request.shared is None for request in transport.sent] == [False, False, True]
    score(with_memory, faces(1))
    assert transport.sent[-1].shared is not None
    assert transport.regions != [first]


@needs_shared_memory
@pytest.mark.parametrize("insist", [False, True])
def test_a_server_that_refuses_shared_memory_gets_the_faces_sent_unless_it_is_insisted_on(
    monkeypatch: pytest.MonkeyPatch, insist: bool
) -> None:
    transport = Scripted(monkeypatch)
    transport.refuse_registration = ServerError("failed to open shared memory")
    with_memory = session(transport, shared_memory=True if insist else "auto")
    if insist:
        with pytest.raises(InvalidRequest, match="shared_memory='auto'"):
            score(with_memory, faces(1))
    else:
        for _ in range(2):
            score(with_memory, faces(1))
        assert [request.shared for request in transport.sent] == [None, None]
    assert not list(DIRECTORY.glob(f"awarenet-client-{os.getpid()}-*"))


@needs_shared_memory
def test_a_server_that_is_away_does_not_end_the_use_of_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Scripted(monkeypatch, [Unavailable("gone")])
    transport.refuse_registration = Unavailable("gone")
    with_memory = session(transport, shared_memory="auto")
    score(with_memory, faces(1))
    assert transport.sent[-1].shared is None
    transport.refuse_registration = None
    score(with_memory, faces(1))
    assert transport.sent[-1].shared is not None


def test_a_remote_server_is_never_offered_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Scripted(monkeypatch)
    remote = Session(transport, Address.parse("grpc://server:1"), 30, 0, "auto")
    score(remote, faces(1))
    assert transport.regions == []


@needs_shared_memory
@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), max_size=40))
def test_pieces_of_a_region_never_overlap_and_hold_what_was_written(steps: list[tuple[int, int]]) -> None:
    region = Region(100)
    region.unlink()
    held: dict[int, np.ndarray] = {}
    for number, (size, drop) in enumerate(steps):
        for offset in list(held)[:drop]:
            region.release(offset)
            del held[offset]
        array = np.full(size, number, np.uint8)
        offset = region.lease(array)
        if offset is None:
            largest_gap = np.zeros(101, int)
            for start, other in held.items():
                largest_gap[start : start + len(other)] = 1
            gaps = np.diff(np.flatnonzero(np.concatenate([[1], largest_gap[:100], [1]]))) - 1
            assert gaps.max() < size
        else:
            held[offset] = array
        for start, other in held.items():
            np.testing.assert_array_equal(region._bytes[start : start + len(other)], other)


@needs_shared_memory
def test_a_full_dev_shm_is_an_error_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError):
        Region(1 << 60)
    assert not list(DIRECTORY.glob(f"awarenet-client-{os.getpid()}-*"))


# --- running several requests at once


def jobs_that_count(count: int, limit: list[int]) -> list[Callable[[], Coroutine[Any, Any, int]]]:
    running = 0
    lock = threading.Lock()

    async def job(number: int) -> int:
        nonlocal running
        with lock:
            running += 1
            limit.append(running)
        time.sleep(0.002)
        with lock:
            running -= 1
        return number

    return [lambda number=number: job(number) for number in range(count)]


def test_blocking_jobs_keep_their_order_and_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limit: list[int] = []
    assert finish(Scripted(monkeypatch).gather(jobs_that_count(9, limit), IN_FLIGHT)) == list(range(9))
    assert max(limit) == IN_FLIGHT


class Idle(Suspending):
    """Reaches no server."""

    async def call(self, method: str, timeout: float, /, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(method)

    async def close(self) -> None:
        """Holds nothing."""


async def test_suspending_jobs_keep_their_order_and_the_first_failure_cancels_the_rest() -> None:
    idle = Idle(Address.parse("grpc://localhost:1"), {}, None)
    ended: list[int] = []

    async def job(number: int) -> int:
        await asyncio.sleep(0.03 - 0.01 * number)
        ended.append(number)
        return number

    assert await idle.gather([lambda number=number: job(number) for number in range(3)], 3) == [0, 1, 2]
    assert ended == [2, 1, 0]

    async def fail() -> int:
        raise ServerError("failed")

    ended.clear()
    with pytest.raises(ServerError):
        await idle.gather([lambda: job(0), fail, lambda: job(1)], 2)
    await asyncio.sleep(0.05)
    assert ended == []


def test_a_blocking_transport_that_suspends_is_a_bug_that_is_told() -> None:
    async def suspends() -> None:
        await asyncio.sleep(1)

    with pytest.raises(RuntimeError):
        finish(suspends())


def test_grpc_requests_go_to_every_address_of_a_name() -> None:
    """A name stands for many servers where it is a headless service; one connection would keep to one of them."""
    import grpc
    from awarenet_client.over_grpc import _CHANNEL

    asked: list[str] = []

    class Counting(grpc.GenericRpcHandler):
        def __init__(self, name: str) -> None:
            self._name = name

        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            def answer(request: bytes, _context: grpc.ServicerContext) -> bytes:
                asked.append(self._name)
                return request

            return grpc.unary_unary_rpc_method_handler(answer)

    servers, addresses = [], []
    for name in ("one", "two"):
        server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Counting(name)])
        addresses.append(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        server.start()
        servers.append(server)
    try:
        with grpc.insecure_channel(f"ipv4:{','.join(addresses)}", options=_CHANNEL) as channel:
            call = channel.unary_unary("/a/b")
            deadline = time.monotonic() + 30
            while set(asked) != {"one", "two"} and time.monotonic() < deadline:
                assert call(b"x", wait_for_ready=True, timeout=30) == b"x"
    finally:
        for server in servers:
            server.stop(None).wait()
    assert set(asked) == {"one", "two"}
