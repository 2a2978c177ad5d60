"""A private PostgreSQL cluster for tests, on a socket and a free port, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TO_SERVE_ROOT = ("postgres", "nobody")
"""Who runs the cluster when the tests run as root, which PostgreSQL refuses."""


def binaries() -> Path | None:
    """Folder of `initdb` and `pg_ctl`, of the newest release installed; None without."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return next((path for path in found if (path / "pg_ctl").exists() and (path / "initdb").exists()), None)


class Cluster:
    """A running cluster; `stop` and `start` play a database that goes away and comes back."""

    def __init__(self, folder: Path, commands: Path) -> None:
        self._folder = folder
        self._commands = commands
        self._user = next(
            (
                name
                for name in _TO_SERVE_ROOT
                if os.geteuid() == 0 and name in {entry.pw_name for entry in pwd.getpwall()}
            ),
            None,
        )
        if self._user:
            shutil.chown(folder, self._user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._run("initdb", "--auth=trust", "--username=test", "--encoding=UTF8", "--no-sync", str(folder / "data"))
        self.start()

    @property
    def url(self) -> str:
        """URL of the database that is there from the start."""
        return f"postgresql://test@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = f"-p {self._port} -h 127.0.0.1 -k {self._folder} -c fsync=off"
        self._control("start", "-l", str(self._folder / "log"), "-o", options)

    def stop(self) -> None:
        """Ends it at once; open connections break."""
        self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", *arguments)

    def _run(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._commands / command), *arguments],
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"{command} failed: {done.stderr}")


@contextmanager
def cluster(commands: Path) -> Iterator[Cluster]:
    """A cluster for the time of the block."""
    folder = Path(tempfile.mkdtemp(prefix="awarenet-pg-"))  # short: a socket's path has at most 107 bytes
    try:
        running = Cluster(folder, commands)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
