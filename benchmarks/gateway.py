"""`python -m benchmarks.gateway`: what the gateway adds to a picture, and what it does under three times its load.

The direct path is the same work in this process: decoding, finding faces, scoring on the same Triton over gRPC with
shared memory. Both are measured in turns, in one run, on pictures that no cache has seen.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import httpx2 as httpx
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from awarenet.detector import Detector
from awarenet.errors import ServiceError, StartupError
from awarenet.face_engines import create_detector
from awarenet.runtime.triton import TritonRuntime
from benchmarks.contenders.service import serve
from benchmarks.load import percentile
from benchmarks.machine import describe

ROUNDS: Final = 8
PICTURES: Final = 16
OVERLOAD: Final = 3.0

SETTINGS: Final = {
    "CACHED_RESULTS": "0",
    "REQUESTS_PER_MINUTE": "1e9",
    "REQUESTS_BURST": "1000000",
    "LOG_LEVEL": "warning",
}
"""Without the cache of verdicts and without limits of rate, by the names of environment variables without prefix."""

Judge = Callable[[int], int]
"""Has one picture judged; the HTTP status, or 200."""


@dataclass(frozen=True)
class Gateway:
    """A gateway that was started for measuring.

    Attributes:
        url: Where it listens.
        key: Its API key.
        pid: Its process.
    """

    url: str
    key: str
    pid: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)


def main(
    model_repository: Annotated[Path, typer.Option(help="The models to measure.")] = Path("model_repository"),
    out: Annotated[Path, typer.Option(help="Where the result is written.")] = Path("build/bench-gateway.json"),
    seconds: Annotated[float, typer.Option(min=1, help="Time for measuring.")] = 60,
) -> None:
    """Measures the gateway against the direct path, at one caller and at saturation, and then overloads it."""
    cv2.setNumThreads(1)
    described = describe()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        faces, walls = _pictures(folder), _walls(folder)
        triton = stack.enter_context(serve(model_repository))
        gateway = stack.enter_context(start_gateway(triton.grpc_url, model_repository, folder / "state", **SETTINGS))
        runtime = TritonRuntime(triton.grpc_url)
        stack.callback(runtime.close)
        detector = Detector(runtime, create_detector())

        def direct(pictures: list[Path]) -> Judge:
            def judge(number: int) -> int:
                if error := detector.detect(pictures[number]).error:
                    raise ServiceError(error)
                return 200

            return judge

        def connect(pictures: list[Path] = faces) -> Judge:
            client = stack.enter_context(httpx.Client(base_url=gateway.url, headers={"X-API-Key": gateway.key}))
            bodies = [path.read_bytes() for path in pictures]
            return lambda number: int(client.post("/v1/detect", content=bodies[number], timeout=60).status_code)

        judges = {"direct": direct(faces), "gateway": connect()}
        empty = {"direct": direct(walls), "gateway": connect(walls)}
        for judge in (*judges.values(), *empty.values()):
            _repeat(judge, 0.5)
        latency, bare = _latency(judges, 0.4 * seconds), _latency(empty, 0.15 * seconds)
        callers = os.cpu_count() or 1
        direct_rate, _ = _closed([judges["direct"]] * callers, 0.15 * seconds)
        gateway_rate, _ = _closed([connect() for _ in range(callers)], 0.15 * seconds)
        overload = _overload(connect, OVERLOAD * gateway_rate, 0.15 * seconds)
        begun = time.monotonic()
        while judges["gateway"](0) != 200:
            time.sleep(0.02)
        recovered = time.monotonic() - begun
    result: dict[str, Any] = {
        "latency_ms": latency,
        "added_p50_ms": latency["gateway"]["p50"] - latency["direct"]["p50"],
        "latency_without_faces_ms": bare,
        "added_p50_without_faces_ms": bare["gateway"]["p50"] - bare["direct"]["p50"],
        "throughput_per_s": {"direct": direct_rate, "gateway": gateway_rate},
        "throughput_ratio": gateway_rate / direct_rate,
        "overload": overload,
        "accepted_p99_over_unloaded_p99": overload["accepted_p99_ms"] / latency["gateway"]["p99"],
        "recovered_after_s": recovered,
        "machine": described,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    _show(result)


@contextmanager
def start_gateway(server: str, repository: Path, state: Path, **settings: str) -> Iterator[Gateway]:
    """The gateway as users start it.

    Args:
        server: URL of the Triton server.
        repository: The models.
        state: Its state folder.
        **settings: Environment variables without their prefix.
    """
    command = [sys.executable, "-m", "gateway", "serve", "--port", "0", "--server", server]
    command += ["--model-repository", str(repository), "--state-folder", str(state)]
    environment = os.environ | {f"AWARENET_{name}": value for name, value in settings.items()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            lines = dict(line.split(maxsplit=1) for _, line in zip(range(2), process.stdout, strict=False))
            if "key" not in lines:
                raise StartupError("bench: the gateway did not start; its message is above")
            yield Gateway(lines["gateway"].strip(), lines["key"].strip(), process.pid)
        finally:
            process.terminate()


def _pictures(folder: Path) -> list[Path]:
    """Variants of one portrait in the public domain, as JPEG."""
    from skimage.data import astronaut

    portrait = cv2.cvtColor(np.asarray(astronaut(), np.uint8), cv2.COLOR_RGB2BGR)  # type: ignore[no-untyped-call]
    paths = []
    for number in range(PICTURES):
        path = folder / f"{number}.jpg"
        cv2.imwrite(str(path), cv2.convertScaleAbs(portrait, alpha=0.7 + 0.03 * number), [cv2.IMWRITE_JPEG_QUALITY, 90])
        paths.append(path)
    return paths


def _walls(folder: Path) -> list[Path]:
    """Small pictures without a face: nearly all of their time is what the gateway adds."""
    paths = []
    for number in range(PICTURES):
        path = folder / f"wall{number}.png"
        cv2.imwrite(str(path), np.full((100, 100, 3), 60 + number, np.uint8))
        paths.append(path)
    return paths


def _repeat(judge: Judge, seconds: float) -> list[float]:
    """Milliseconds of each of the pictures judged one after the other in this time."""
    taken: list[float] = []
    begun = now = time.perf_counter()
    for number in itertools.cycle(range(PICTURES)):
        if now - begun >= seconds:
            return taken
        status = judge(number)
        if status != 200:
            raise ServiceError(f"bench: a picture was answered with {status}")
        before, now = now, time.perf_counter()
        taken.append((now - before) * 1000)
    return taken


def _latency(judges: dict[str, Judge], seconds: float) -> dict[str, dict[str, float]]:
    """One caller, contenders in turns; percentiles over all rounds."""
    taken: dict[str, list[float]] = {name: [] for name in judges}
    for _ in range(ROUNDS):
        for name, judge in judges.items():
            taken[name] += _repeat(judge, seconds / ROUNDS / len(judges))
    return {
        name: {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99), "pictures": float(len(values))}
        for name, values in taken.items()
    }


def _closed(judges: Sequence[Judge], seconds: float) -> tuple[float, list[float]]:
    """Pictures per second of several callers together."""
    results: list[list[float]] = [[] for _ in judges]

    def call(number: int) -> None:
        results[number] = _repeat(judges[number], seconds)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(judges))]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = list(itertools.chain.from_iterable(results))
    return len(everything) / (time.perf_counter() - begun), everything


def _overload(connect: Callable[[], Judge], rate: float, seconds: float) -> dict[str, Any]:
    """Open loop: requests begin at a steady rate, whether earlier ones are answered or not."""
    answers: list[tuple[int, float]] = []
    idle: list[Judge] = []

    def one(number: int) -> None:
        judge = idle.pop() if idle else connect()
        begun = time.perf_counter()
        status = judge(number % PICTURES)
        answers.append((status, (time.perf_counter() - begun) * 1000))
        idle.append(judge)

    threads = []
    begun = time.perf_counter()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        threads.append(threading.Thread(target=one, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - begun
    accepted = [taken for status, taken in answers if status == 200]
    return {
        "offered_per_s": rate,
        "answered_per_s": len(accepted) / spent,
        "accepted_p50_ms": percentile(accepted, 0.5),
        "accepted_p99_ms": percentile(accepted, 0.99),
        "statuses": {str(status): sum(one == status for one, _ in answers) for status in {one for one, _ in answers}},
    }


def _show(result: dict[str, Any]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("figure", "measured", "target"):
        table.add_column(name)
    latency, overload = result["latency_ms"], result["overload"]
    table.add_row(
        "direct path, one caller, p50 / p99", f"{latency['direct']['p50']:.1f} / {latency['direct']['p99']:.1f} ms", ""
    )
    table.add_row(
        "gateway, one caller, p50 / p99", f"{latency['gateway']['p50']:.1f} / {latency['gateway']['p99']:.1f} ms", ""
    )
    table.add_row("added by the gateway, p50", f"{result['added_p50_ms']:.1f} ms", "<= 5 ms")
    table.add_row("the same without a face, p50", f"{result['added_p50_without_faces_ms']:.1f} ms", "")
    table.add_row("gateway / direct, pictures per second at saturation", f"{result['throughput_ratio']:.2f}", ">= 0.90")
    table.add_row(f"{OVERLOAD:g}x overload: answers by status", str(overload["statuses"]), "200 and 503 alone")
    table.add_row("accepted p99 / unloaded p99", f"{result['accepted_p99_over_unloaded_p99']:.1f}", "<= 2")
    table.add_row("first answer after the overload", f"{result['recovered_after_s']:.2f} s", "<= 10 s")
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
