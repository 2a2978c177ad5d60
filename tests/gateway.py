"""Hands on a running gateway: the real process, with its workers, over a real Triton."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil

ROOT = Path(__file__).parents[1]


@dataclass
class Gateway:
    """A gateway that was started for tests.

    Attributes:
        url: Where it listens.
        key: Its first API key.
        process: Its process.
        state: Its state folder.
        log: Its log so far.
    """

    url: str
    key: str
    process: subprocess.Popen[str]
    state: Path
    log: list[str] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def client(self, **options: Any) -> httpx.Client:
        """A client that sends the key."""
        options = {"base_url": self.url, "headers": {"X-API-Key": self.key}, "timeout": 60} | options
        return httpx.Client(**options)

    def workers(self) -> list[psutil.Process]:
        """Its worker processes."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "gateway.workers.process" in " ".join(child.cmdline())]

    def metric(self, name: str) -> float:
        """A metric's value, summed over its labels."""
        lines = httpx.get(f"{self.url}/metrics", timeout=30).text.splitlines()
        name = f"awarenet_gateway_{name}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + "{", name + " ")))


@contextmanager
def running(
    server: str | None, repository: Path, state: Path, *, port: int = 0, **settings: object
) -> Iterator[Gateway]:
    """Starts a gateway as a user does, and ends it with SIGTERM.

    Args:
        server: URL of the Triton server; None lets the gateway start one.
        repository: The model repository.
        state: The state folder.
        port: Where it listens; 0 takes a free one.
        **settings: Fields of `gateway.settings.Settings`.
    """
    defaults = {"workers": 1, "face_engine": "hog", "frames": 4, "log_json": True}
    settings = {**defaults, "requests_burst": 100_000, "requests_per_minute": 1e6, **settings}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWARENET_")}
    environment |= {f"AWARENET_{name.upper()}": str(value) for name, value in settings.items()}
    environment["PYTHONPATH"] = f"{ROOT}:{ROOT / 'clients'}"
    command = [sys.executable, "-m", "gateway", "serve", "--port", str(port), "--state-folder", str(state)]
    command += ["--model-repository", str(repository)]
    if server is not None:
        command += ["--server", server]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tempfile.gettempdir()
    )
    log: list[str] = []
    assert process.stderr is not None and process.stdout is not None
    reader = threading.Thread(target=lambda: log.extend(iter(process.stderr.readline, "")), daemon=True)  # type: ignore[union-attr]
    reader.start()
    try:
        given = settings.get("first_api_key")
        address = process.stdout.readline().split()
        assert address, f"the gateway did not start: {''.join(log)}"
        key = str(given) if given else process.stdout.readline().split()[1]
        yield Gateway(address[1], key, process, state, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
