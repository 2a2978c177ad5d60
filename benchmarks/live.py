"""`python -m benchmarks live`: a live stream as `awarenet watch` judges it, from a frame's last byte to its answer.

A transport stream of 1280 x 720 pixels is made beforehand and written into a pipe at the pace of a camera; the other
end is read, decoded, searched for faces and scored by the same parts and with the same settings as `awarenet watch`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from awarenet.face_engines import Engine, create_detector
from awarenet.runtime.choice import open_runtime
from awarenet.video.live import LiveConfiguration, LiveDetector, LiveSession
from awarenet.video.sources import LiveSource
from benchmarks import machine
from benchmarks.load import percentile

WIDTH: Final = 1280
HEIGHT: Final = 720
RATE: Final = 25
TARGET_P95_MS: Final = 100.0

WARM_UP_S: Final = 3.0
"""Frames sent before are not counted: the container is probed, and the models run for the first time."""

_HEAD: Final = 320
"""Side in pixels of the square with a head in it."""


def measure(
    repository: Path, seconds: float, *, people: int, server: str | None, in_process: bool, face_engine: Engine
) -> dict[str, Any]:
    """Plays a stream and measures every frame of it.

    Args:
        repository: The models, where they run in this process.
        seconds: Length of the part that counts.
        people: Heads in the picture, 1 to 4.
        server: URL of a server, or None.
        in_process: Whether the models must run here.
        face_engine: What finds the faces.

    Returns:
        The content of `live.json`.
    """
    cv2.setNumThreads(1)
    described = machine.describe()
    frames = encode(round((WARM_UP_S + seconds) * RATE), people)
    configuration = LiveConfiguration()
    with closing(open_runtime(server, in_process, repository, threads=os.cpu_count() or 1)) as runtime:
        faces_by = create_detector(face_engine)
        detector = LiveDetector(runtime, faces_by, LiveSession(runtime.policy, configuration))
        with (
            _camera(frames) as (pipe, sent_s),
            LiveSource(f"fd:{pipe}", deadline_s=configuration.deadline_s, waiting=configuration.waiting) as source,
        ):
            before = time.process_time(), time.monotonic()
            looked: list[tuple[int, float, float]] = []
            faces = 0
            while not source.ended:
                if (frame := source.take(0.2)) is None:
                    continue
                answer = detector.look(frame.image, frame.time_s)
                now = time.monotonic()
                number = round(frame.time_s * RATE)
                if number >= WARM_UP_S * RATE:
                    looked.append((number, (now - frame.arrived_s) * 1000, (now - sent_s[number]) * 1000))
                    faces += answer.scored
            processor_s, passed_s = time.process_time() - before[0], time.monotonic() - before[1]
        counted = len(frames) - round(WARM_UP_S * RATE)
        return {
            "frames_sent": counted,
            "frames_answered": len(looked),
            "drop_rate": 1 - len(looked) / counted,
            "late": source.counts.late,
            "faces_scored_per_s": faces / (counted / RATE),
            **{
                f"{what}_{name}_ms": percentile([row[column] for row in looked], share) if looked else None
                for column, what in ((1, "arrival_to_score"), (2, "sent_to_score"))
                for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            },
            "processors_busy": processor_s / passed_s,
            "people": people,
            "people_found": len(answer.tracks),
            "runtime": type(runtime).__name__,
            "face_engine": faces_by.name,
            "load_after": round(os.getloadavg()[0], 2),
            "seconds": seconds,
            "machine": described,
            "model_version": runtime.policy.model_version,
        }


def encode(count: int, people: int) -> list[bytes]:
    """The stream as the bytes of each frame, each a whole number of packets of the transport stream."""
    pieces: list[bytes] = []
    written = _Parts()
    with av.open(written, "w", format="mpegts") as output:
        stream = output.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = 2 * RATE
        stream.codec_context.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23"}
        stream.codec_context.time_base = Fraction(1, RATE)
        for number, image in enumerate(_scenes(count, people)):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            output.mux(stream.encode(frame))
            pieces.append(written.take())
        output.mux(stream.encode())
    pieces[-1] += written.take()
    return pieces


class _Parts:
    """A file that gives away what was written to it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data, self._parts = b"".join(self._parts), []
        return data


def _scenes(count: int, people: int) -> Iterator[NDArray[np.uint8]]:
    """Heads that sway in front of a still background, with the noise of a camera."""
    from skimage.data import astronaut

    picture = np.asarray(astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    head = np.asarray(cv2.resize(picture[:256, 96:352], (_HEAD, _HEAD), interpolation=cv2.INTER_CUBIC), np.uint8)
    draw = np.random.default_rng(0)
    noise = draw.normal(0, 2, (HEIGHT, WIDTH + 64, 3)).astype(np.int16)
    room = WIDTH // people
    for number in range(count):
        image = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
        for person in range(people):
            phase = 2 * np.pi * (number / (4 * RATE) + person / 4)
            x = round(person * room + (room - _HEAD) / 2 + 0.4 * (room - _HEAD) / 2 * np.sin(phase))
            y = round((HEIGHT - _HEAD) / 2 + 60 * np.cos(phase))
            image[y : y + _HEAD, x : x + _HEAD] = head
        shift = number * 7 % 64
        yield np.clip(image + noise[:, shift : shift + WIDTH], 0, 255).astype(np.uint8)


@contextmanager
def _camera(frames: list[bytes]) -> Iterator[tuple[int, dict[int, float]]]:
    """Writes frames into a pipe at their pace.

    Yields:
        The descriptor to read from, and for each frame when its last byte was written.
    """
    read, write = os.pipe()
    sent_s: dict[int, float] = {}
    stop = threading.Event()

    def send() -> None:
        start = time.monotonic()
        with os.fdopen(write, "wb", buffering=0) as pipe:
            for number, data in enumerate(frames):
                if stop.wait(max(0.0, start + number / RATE - time.monotonic())):
                    return
                try:
                    for begin in range(0, len(data), 1 << 16):
                        pipe.write(data[begin : begin + (1 << 16)])
                except BrokenPipeError:
                    return
                sent_s[number] = time.monotonic()

    sender = threading.Thread(target=send, name="camera", daemon=True)
    sender.start()
    try:
        yield read, sent_s
    finally:
        stop.set()
        os.close(read)
        sender.join()


def show(result: dict[str, Any], console: Console) -> None:
    """Prints the result of a run."""
    table = Table(title=f"live, {WIDTH} x {HEIGHT}, {RATE} frames/s", title_justify="left", header_style="bold")
    for name in ("figure", "measured", "target"):
        table.add_column(name)
    for what, words in (("arrival_to_score", "decoded frame to answer"), ("sent_to_score", "last byte sent to answer")):
        numbers = [result[f"{what}_{name}_ms"] for name in ("p50", "p95", "p99")]
        shown = " / ".join("-" if number is None else f"{number:.0f}" for number in numbers)
        table.add_row(f"{words}, p50 / p95 / p99, ms", shown, f"p95 <= {TARGET_P95_MS:.0f}")
    table.add_row("frames without an answer", f"{100 * result['drop_rate']:.1f} %", "")
    table.add_row("faces scored a second", f"{result['faces_scored_per_s']:.1f}", "")
    table.add_row("processors busy with it", f"{result['processors_busy']:.2f}", "")
    console.print(table)
    computer = result["machine"]
    console.print(
        f"{result['people']} people ({result['people_found']} followed), {result['seconds']:.0f} s, "
        f"{result['runtime']}, faces by {result['face_engine']}; {computer['cpu']}, {computer['cores']} cores; "
        f"load before {computer['load_before']}, after {result['load_after']}; models {result['model_version']}",
        style="dim",
    )
