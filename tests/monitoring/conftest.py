"""What the tests of monitoring share: the programs of Prometheus, or a skip that says how to get them."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from awarenet.errors import ConfigurationError
from monitoring import programs

Run = Callable[..., str]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def program() -> Callable[[programs.Program], Path]:
    """Finds a program, and skips the test where there is none."""

    def find(name: programs.Program) -> Path:
        try:
            return programs.find(name)
        except ConfigurationError as error:
            pytest.skip(str(error))

    return find


@pytest.fixture(scope="session")
def run(program: Callable[[programs.Program], Path]) -> Run:
    """Runs a program and gives what it printed; the test fails where the program does."""

    def run(name: programs.Program, *arguments: str | Path) -> str:
        command = [str(program(name)), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=540)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run
