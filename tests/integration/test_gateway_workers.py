"""The worker pool on a real Triton: what it answers, and what a worker that dies, hangs or grows costs."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from awarenet.detector import Detector
from awarenet.errors import (
    AwareNetError,
    DamagedMedia,
    DeadlineExceeded,
    MediaTooLarge,
    Overloaded,
    Unavailable,
    UnsupportedMedia,
    WorkerDied,
)
from awarenet.face_engines import create_detector
from awarenet.media import MediaLimits
from awarenet.runtime.server import TritonServer
from awarenet.runtime.triton import TritonRuntime
from gateway.models import forget_regions
from gateway.workers import Task, WorkerOptions, WorkerPool
from tests.samples import astronaut, save, save_clip
from tests.serving import connect


def options(server: str, memory_bytes: int = 1 << 30) -> WorkerOptions:
    return WorkerOptions(server, "hog", memory_bytes, MediaLimits(pixels=64_000_000), 4)


@pytest.fixture
async def pool(triton_server: TritonServer) -> AsyncIterator[WorkerPool]:
    """One worker and room for two tasks to wait."""
    pool = WorkerPool(options(triton_server.grpc_url), 1, 2)
    await pool.start()
    yield pool
    await pool.close()


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    return save(tmp_path / "portrait.png", astronaut())


@contextmanager
def opened(content: Path | bytes) -> Iterator[int]:
    media = os.memfd_create("test")
    os.write(media, content if isinstance(content, bytes) else content.read_bytes())
    try:
        yield media
    finally:
        os.close(media)


async def replaced(pool: WorkerPool, before: frozenset[int]) -> None:
    """Waits until other workers are there."""
    deadline = time.monotonic() + 30
    while not pool.pids or pool.pids & before:
        assert time.monotonic() < deadline, "the worker is not replaced"
        await asyncio.sleep(0.02)


async def frozen(pool: WorkerPool) -> int:
    """Stops the one worker in mid-air."""
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    return pid


def bomb() -> bytes:
    """A small PNG that says it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


async def test_a_worker_answers_what_the_detector_answers(
    pool: WorkerPool, triton_server: TritonServer, portrait: Path
) -> None:
    runtime = TritonRuntime(triton_server.grpc_url)
    here = Detector(runtime, create_detector("hog")).detect(portrait, route="full").to_dict()
    runtime.close()
    with opened(portrait) as media:
        there = (await pool.run(Task("media", "a.png", "full"), media))["verdict"]
    assert there.pop("path") == "a.png"
    assert there.pop("timings_ms").keys() == here.pop("timings_ms").keys()
    del here["path"]
    assert there == here


async def test_a_clip_says_how_far_it_is(pool: WorkerPool, tmp_path: Path) -> None:
    seen: list[float] = []
    with opened(save_clip(tmp_path / "clip.mp4", [astronaut()] * 8)) as media:
        answer = await pool.run(Task("media", "clip.mp4"), media, progress=seen.append)
    assert seen and seen == sorted(seen) and seen[0] > 0 and seen[-1] <= 1
    assert answer["verdict"]["tracks"] and answer["verdict"]["duration_s"] == pytest.approx(0.28)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", DamagedMedia),
        (b"hello", UnsupportedMedia),
        (b"\xff\xd8\xff\xe0 and no more", DamagedMedia),
        (bomb(), MediaTooLarge),
        (b"....ftypisom" + bytes(500), DamagedMedia),
    ],
)
async def test_bad_media_is_refused_by_its_own_name(
    pool: WorkerPool, content: bytes, kind: type[AwareNetError]
) -> None:
    before = pool.pids
    with opened(content) as media, pytest.raises(kind, match=r"^holiday\.jpg: ") as refused:
        await pool.run(Task("media", "holiday.jpg"), media)
    assert "/proc/" not in str(refused.value)
    assert pool.pids == before, "bad media must not cost a worker"


async def test_a_worker_that_is_killed_costs_one_request(pool: WorkerPool, portrait: Path, tmp_path: Path) -> None:
    (pid,) = pool.pids
    slow = save(tmp_path / "slow.png", np.zeros((7000, 7000, 3), np.uint8))
    with opened(slow) as large, opened(portrait) as media:
        lost = asyncio.ensure_future(pool.run(Task("media", "a.png"), large))
        kept = asyncio.ensure_future(pool.run(Task("media", "b.png"), media))
        await asyncio.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match=r"a\.png: .*signal 9.*once more"):
            await lost
        assert (await kept)["verdict"]["faces"]
    assert pool.deaths == 1 and pid not in pool.pids


async def test_a_worker_that_is_killed_while_idle_costs_nothing(pool: WorkerPool, portrait: Path) -> None:
    before = pool.pids
    os.kill(next(iter(before)), signal.SIGKILL)
    with opened(portrait) as media:
        assert (await pool.run(Task("media"), media))["verdict"]["faces"]
    assert not pool.pids & before


async def test_media_that_needs_too_much_memory_is_refused_and_the_worker_replaced(
    triton_server: TritonServer, tmp_path: Path, portrait: Path
) -> None:
    huge = save(tmp_path / "huge.png", np.zeros((7900, 8000, 3), np.uint8))
    pool = WorkerPool(options(triton_server.grpc_url, 400 << 20), 1, 2)
    await pool.start()
    try:
        with opened(huge) as media, pytest.raises((MediaTooLarge, WorkerDied), match=r"huge\.png"):
            await pool.run(Task("media", "huge.png"), media)
        with opened(portrait) as media:
            assert (await pool.run(Task("media"), media))["verdict"]["faces"]
    finally:
        await pool.close()


async def test_a_worker_that_hangs_is_ended_at_the_deadline(pool: WorkerPool, portrait: Path) -> None:
    pid = await frozen(pool)
    begun = time.monotonic()
    with opened(portrait) as media, pytest.raises(DeadlineExceeded, match=r"a\.png: not answered within 0\.5 s"):
        await pool.run(Task("media", "a.png", budget_s=0.5), media)
    assert time.monotonic() - begun < 5
    await replaced(pool, frozenset({pid}))
    assert not psutil.pid_exists(pid)


async def test_a_full_queue_refuses_and_says_when_to_come_again(pool: WorkerPool, portrait: Path) -> None:
    pid = await frozen(pool)
    with opened(portrait) as media:
        taken = [asyncio.ensure_future(pool.run(Task("media"), media)) for _ in range(3)]
        await asyncio.sleep(0.1)
        with pytest.raises(Overloaded) as refused:
            await pool.run(Task("media"), media)
        assert refused.value.retry_after_s > 0
        os.kill(pid, signal.SIGCONT)
        assert all(answer["verdict"] for answer in await asyncio.gather(*taken))
        assert (await pool.run(Task("media"), media))["verdict"]


async def test_under_overload_the_longest_waiting_task_is_refused_for_the_one_that_comes(
    pool: WorkerPool, portrait: Path
) -> None:
    pid = await frozen(pool)
    with opened(portrait) as media:
        running = asyncio.ensure_future(pool.run(Task("media"), media))
        await asyncio.sleep(0.1)
        first, second = (asyncio.ensure_future(pool.run(Task("media"), media)) for _ in range(2))
        await asyncio.sleep(1.0)  # far more than the time of two tasks
        newest = asyncio.ensure_future(pool.run(Task("media"), media))
        with pytest.raises(Overloaded):
            await first
        os.kill(pid, signal.SIGCONT)
        assert all(answer["verdict"] for answer in await asyncio.gather(running, second, newest))


async def test_a_task_whose_caller_leaves_the_queue_is_never_done(pool: WorkerPool, portrait: Path) -> None:
    pid = await frozen(pool)
    with opened(portrait) as media:
        first = asyncio.ensure_future(pool.run(Task("media"), media))
        second = asyncio.ensure_future(pool.run(Task("media"), media))
        await asyncio.sleep(0.1)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert (pool.waiting, pool.running) == (0, 1)
        os.kill(pid, signal.SIGCONT)
        assert (await first)["verdict"]


async def test_a_long_task_whose_caller_leaves_is_ended(triton_server: TritonServer, portrait: Path) -> None:
    pool = WorkerPool(options(triton_server.grpc_url), 1, 2, patient=False)
    await pool.start()
    try:
        pid = await frozen(pool)
        with opened(portrait) as media:
            task = asyncio.ensure_future(pool.run(Task("media"), media))
            await asyncio.sleep(0.1)
            task.cancel()
            await replaced(pool, frozenset({pid}))
    finally:
        await pool.close()


async def test_without_triton_requests_are_refused_and_workers_live(portrait: Path) -> None:
    pool = WorkerPool(options("grpc://127.0.0.1:1"), 1, 2)
    await pool.start()
    try:
        before = pool.pids
        with opened(portrait) as media, pytest.raises(Unavailable):
            await pool.run(Task("media", budget_s=3), media)
        assert pool.pids == before
    finally:
        await pool.close()


async def test_triton_forgets_the_shared_memory_of_a_killed_worker(triton_server: TritonServer, portrait: Path) -> None:
    forgotten: list[asyncio.Task[None]] = []
    pool = WorkerPool(
        options(triton_server.grpc_url),
        1,
        2,
        died=lambda pid: forgotten.append(asyncio.ensure_future(forget_regions(triton_server.grpc_url, pid))),
    )
    await pool.start()
    try:
        (pid,) = pool.pids
        with opened(portrait) as media:
            await pool.run(Task("media"), media)
        mark = f"awarenet-client-{pid}-"
        with connect(triton_server) as client:
            assert any(name.startswith(mark) for name in client.get_system_shared_memory_status().regions)
            os.kill(pid, signal.SIGKILL)
            await replaced(pool, frozenset({pid}))
            await asyncio.gather(*forgotten)
            assert not any(name.startswith(mark) for name in client.get_system_shared_memory_status().regions)
    finally:
        await pool.close()


async def test_no_worker_outlives_the_pool(triton_server: TritonServer) -> None:
    pool = WorkerPool(options(triton_server.grpc_url), 2, 2)
    await pool.start()
    pids = pool.pids
    await pool.close()
    assert pids and not any(psutil.pid_exists(pid) for pid in pids)
    assert not list(Path("/dev/shm").glob(f"awarenet-client-{next(iter(pids))}-*"))
