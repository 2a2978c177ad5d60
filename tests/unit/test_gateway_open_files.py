"""The limit on open files, in processes that were given little."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.gateway import ROOT

_TRY = """
import json, resource, sys
from awarenet.log import configure
from gateway.open_files import make_room
soft, hard, streams, connections = map(int, sys.argv[1:])
configure("info", json=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
said = make_room(streams, connections)
print(json.dumps([said, *resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


def tried(soft: int, hard: int, streams: int, connections: int) -> tuple[list[int], str]:
    """The limit as said, soft and hard, and the log, of a process with these limits."""
    command = [sys.executable, "-c", _TRY, *map(str, (soft, hard, streams, connections))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    limits: list[int] = json.loads(done.stdout)
    return limits, done.stderr


def test_the_soft_limit_is_raised_to_what_is_needed() -> None:
    limits, log = tried(256, 4096, 1000, 1000)
    assert limits == [2512, 2512, 4096] and not log


def test_a_limit_that_is_high_enough_is_left_alone() -> None:
    limits, log = tried(3000, 4096, 1000, 1000)
    assert limits == [3000, 3000, 4096] and not log


@pytest.mark.parametrize("soft", [256, 700])
def test_a_hard_limit_that_is_too_low_is_said_with_the_remedy(soft: int) -> None:
    limits, log = tried(soft, 700, 1000, 2000)
    assert limits == [700, 700, 700]
    line = json.loads(log)
    assert (line["allowed"], line["needed"], line["level"]) == (700, 3512, "warning")
    assert "ulimit" in line["remedy"] and "AWARENET_STREAMS" in line["remedy"]
