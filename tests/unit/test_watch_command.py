"""`awarenet watch` as programs and people meet it: real processes, real pipes and streams, the in-process runtime."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests import tiny_repository as tiny
from tests.samples import astronaut
from tests.streams import chunks, http_stream, mpegts, paced

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("watch") / "repository")


def tinted(shift: int) -> NDArray[np.uint8]:
    """The astronaut, smaller, with more or less red in her face, which the tiny fast filter takes for fake or real."""
    image = astronaut()[:320, 60:380].astype(int)
    image[40:220, 70:250, 0] += shift
    return np.asarray(
        cv2.resize(image.clip(0, 255).astype(np.uint8), (240, 240), interpolation=cv2.INTER_AREA), np.uint8
    )


WALL = np.full((240, 240, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def stream() -> bytes:
    """Five seconds: a wall, then a face that is fake."""
    return mpegts([WALL] * 25 + [tinted(90)] * 100)


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'clients'}", "OMP_NUM_THREADS": "1"}
    environment.pop("AWARENET_YUNET", None)
    return subprocess.Popen(
        [sys.executable, "-m", "awarenet.cli", "watch", *map(str, arguments)],
        cwd=REPOSITORY,
        env=environment,
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
    )


def here(models: Path) -> tuple[str | Path, ...]:
    return ("--in-process", "--model-repository", models, "--face-engine", "hog")


def feed(process: subprocess.Popen[bytes], data: bytes, gap_s: float) -> None:
    """Writes a stream into a process at about the pace of a camera."""
    assert process.stdin is not None
    paced(chunks(data), gap_s)(lambda piece: (process.stdin.write(piece), process.stdin.flush()))  # type: ignore[union-attr]


def feed_until(process: subprocess.Popen[bytes], data: bytes, gap_s: float, wanted: bytes) -> list[str]:
    """Feeds a process until a line of its output holds something, then ends the stream; all lines of the output."""
    assert process.stdin is not None and process.stdout is not None
    enough = threading.Event()

    def send() -> None:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # type: ignore[union-attr]
            for piece in chunks(data):
                pipe.write(piece)
                pipe.flush()
                if enough.wait(gap_s):
                    break

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    lines = []
    for line in process.stdout:
        lines.append(line.decode())
        if wanted in line:
            enough.set()
    sender.join(60)
    return lines


@pytest.fixture(scope="module")
def long_stream() -> bytes:
    """A wall for a second, then a face that is fake, for longer than the slowest machine needs to say so."""
    return mpegts([WALL] * 25 + [tinted(90)] * 1500)


def test_a_pipe_is_answered_line_by_line_and_its_end_is_exit_code_zero(models: Path, long_stream: bytes) -> None:
    process = start("-", "--json", *here(models))
    results = feed_until(process, long_stream, 61 / len(chunks(long_stream)), b'"verdict": "fake"')
    assert process.stderr is not None
    complaints = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0, complaints.decode()
    lines = [json.loads(line) for line in results]
    words = [line["verdict"] for line in lines]
    assert words[0] == "no_face" and words[-1] == "fake" and "uncertain" in words
    assert [line["time_s"] for line in lines] == sorted(line["time_s"] for line in lines)
    last = lines[-1]
    assert last["probability"] > 0.9 and last["latency_ms"] > 0 and last["error"] is None
    track = next(track for track in last["tracks"] if track["verdict"] == "fake")
    assert len(track["box"]) == 4
    assert b"frames, " in complaints and b"Traceback" not in complaints


def test_people_without_a_terminal_get_a_line_for_each_change(models: Path, long_stream: bytes) -> None:
    process = start("-", *here(models))
    lines = feed_until(process, long_stream, 61 / len(chunks(long_stream)), b"person 1 fake")
    assert process.stderr is not None
    complaints = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0, complaints.decode()
    assert "no face" in lines[0] and "person 1 fake" in lines[-1]
    assert len(lines) < 10


def test_a_stream_over_http_is_watched_to_its_end(models: Path, stream: bytes) -> None:
    pieces = chunks(stream)
    with http_stream([paced(pieces, 5 / len(pieces))], length=len(stream)) as address:
        process = start(address, "--json", *here(models))
        results, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints.decode()
    assert json.loads(results.splitlines()[0])["verdict"] == "no_face"


def test_people_at_a_terminal_get_a_table(models: Path, stream: bytes) -> None:
    ours, theirs = pty.openpty()
    process = start("-", *here(models), stdout=theirs)
    os.close(theirs)
    feed(process, stream, 4 / len(chunks(stream)))
    assert process.stdin is not None and process.stderr is not None
    process.stdin.close()
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
    os.close(ours)
    complaints = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0, complaints.decode()
    for word in (b"standard input", b"P(fake)", b"no face", b"fake", b"dropped"):
        assert word in shown


def test_ctrl_c_ends_it_cleanly(models: Path, stream: bytes) -> None:
    process = start("-", "--json", *here(models))
    assert process.stdin is not None and process.stdout is not None
    feed(process, stream, 0.01)
    assert json.loads(process.stdout.readline())["verdict"] == "no_face"
    process.send_signal(signal.SIGINT)
    # The pipe stays open: the command must not wait for its end.
    assert process.wait(30) == 130
    _, complaints = process.communicate(timeout=30)
    assert b"stopped" in complaints and b"Traceback" not in complaints


def test_time_that_is_up_is_an_orderly_end(models: Path, stream: bytes) -> None:
    read, write = os.pipe()
    process = start(f"fd:{read}", "--json", *here(models), "--seconds", "0.5", pass_fds=(read,))
    os.close(read)
    os.write(write, stream[:40_000])
    _, complaints = process.communicate(timeout=60)
    os.close(write)
    assert process.returncode == 0, complaints.decode()


def test_a_source_that_falls_silent_is_exit_code_three(models: Path, stream: bytes) -> None:
    process = start("-", "--json", *here(models), "--timeout", "1")
    feed(process, stream, 0.0)
    assert process.wait(60) == 3
    _, complaints = process.communicate(timeout=30)
    assert b"nothing came through the pipe" in complaints and b"Traceback" not in complaints


def test_garbage_is_exit_code_one(models: Path) -> None:
    process = start("-", *here(models))
    _, complaints = process.communicate(b"Dear reader. " * 1000, timeout=60)
    assert process.returncode == 1
    assert b"no video stream" in complaints and b"Traceback" not in complaints


def test_nobody_at_the_address_is_exit_code_one(models: Path) -> None:
    process = start("rtsp://user:secret@127.0.0.1:1/camera", *here(models))
    results, complaints = process.communicate(timeout=60)
    assert (process.returncode, results) == (1, b"")
    assert b"cannot be read" in complaints and b"secret" not in complaints and b"Traceback" not in complaints


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("ftp://host/a",),
        ("-", "--alarm-at", "2"),
        ("-", "--smoothing", "0"),
        ("-", "--timeout", "-1"),
        ("-", "--in-process", "--server", "grpc://127.0.0.1:1"),
    ],
)
def test_bad_usage_is_exit_code_two(arguments: tuple[str, ...]) -> None:
    process = start(*arguments)
    results, complaints = process.communicate(timeout=60)
    assert (process.returncode, results) == (2, b"")
    assert b"Traceback" not in complaints


def test_a_reader_that_goes_away_causes_no_traceback(models: Path, stream: bytes) -> None:
    read, write = os.pipe()
    process = start(f"fd:{read}", "--json", *here(models), pass_fds=(read,))
    os.close(read)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    try:
        for piece in chunks(stream):
            os.write(write, piece)
    except BrokenPipeError:
        pass
    complaints = process.stderr.read()
    process.stderr.close()
    os.close(write)
    assert process.wait(60) == 141
    assert b"Traceback" not in complaints and b"BrokenPipe" not in complaints
