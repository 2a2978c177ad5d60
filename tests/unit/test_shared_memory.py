"""Shared memory segments are removed with their server, and by the next start where it was killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from awarenet.runtime.shared_memory import SegmentPrefix, remove_leftovers

FOLDER = Path("/dev/shm")


def _segments(prefix: str) -> set[str]:
    return {path.name.removeprefix(prefix) for path in FOLDER.glob(prefix + "*")}


@pytest.fixture
def prefix() -> Iterator[SegmentPrefix]:
    claimed = SegmentPrefix()
    (FOLDER / f"{claimed.value}one").touch()
    yield claimed
    claimed.release()
    assert not _segments(claimed.value)


def test_clearing_keeps_the_claim(prefix: SegmentPrefix) -> None:
    prefix.clear()
    assert _segments(prefix.value) == {".lock"}


def test_segments_of_a_living_server_are_left_alone(prefix: SegmentPrefix) -> None:
    remove_leftovers()
    assert _segments(prefix.value) == {".lock", "one"}


def test_segments_of_a_killed_server_are_swept() -> None:
    code = (
        "import os, pathlib, signal\n"
        "from awarenet.runtime.shared_memory import SegmentPrefix\n"
        "prefix = SegmentPrefix()\n"
        "pathlib.Path('/dev/shm', prefix.value + 'one').touch()\n"
        "print(prefix.value, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    prefix = done.stdout.strip()
    assert _segments(prefix) == {".lock", "one"}
    remove_leftovers()
    assert not _segments(prefix)
