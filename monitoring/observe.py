"""Prometheus and Alertmanager on this machine, beside a service that runs on it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from awarenet.errors import ConfigurationError, StartupError
from monitoring.programs import find

HERE: Final = Path(__file__).parent

_START_S: Final = 60.0

_WITHOUT_RECEIVERS: Final = "route: {receiver: page}\nreceivers: [{name: page}]\n"
"""Alerts of a single machine are looked at on Alertmanager's own page and sent to nobody."""


@contextmanager
def prometheus(targets: Path, port: int, alertmanager_port: int, folder: Path) -> Iterator[str]:
    """A running Prometheus with the rules of the project; its URL.

    Args:
        targets: What it reads, as the gateway writes it.
        port: Where it listens.
        alertmanager_port: Where alerts are sent.
        folder: Keeps its configuration and its data.

    Raises:
        ConfigurationError: It is not here.
        StartupError: It does not start.
    """
    program = find("prometheus")
    text = (HERE / "prometheus.yaml").read_text(encoding="utf-8")
    text = text.replace("[targets.json]", f"['{targets.resolve()}']").replace(":9093", f":{alertmanager_port}")
    text = re.sub(r"rule_files: \[.*\]", f"rule_files: ['{HERE / 'rules' / '*.yaml'}']", text)
    (folder / "prometheus.yaml").write_text(text, encoding="utf-8")
    command = [str(program), f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    url = f"http://127.0.0.1:{port}"
    with _running(command, folder / "prometheus.log", f"{url}/-/ready"):
        yield url


@contextmanager
def alertmanager(configuration: Path, port: int, folder: Path) -> Iterator[str]:
    """A running Alertmanager; its URL.

    Args:
        configuration: Its configuration.
        port: Where it listens.
        folder: Keeps its data.

    Raises:
        ConfigurationError: It is not here.
        StartupError: It does not start.
    """
    command = [
        str(find("prometheus-alertmanager")),
        f"--config.file={configuration}",
        f"--storage.path={folder / 'am'}",
    ]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn"]
    url = f"http://127.0.0.1:{port}"
    with _running(command, folder / "alertmanager.log", f"{url}/-/ready"):
        yield url


@contextmanager
def _running(command: list[str], log: Path, ready: str) -> Iterator[None]:
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _START_S
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                said = "; ".join(log.read_text(encoding="utf-8").splitlines()[-3:])
                raise StartupError(f"{Path(command[0]).name} did not start ({said}); is its port taken?")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def run(state_folder: Path, port: int, alertmanager_port: int) -> None:
    """Watches the service until a signal.

    Raises:
        ConfigurationError: No gateway has been started in the state folder, or a program is missing.
        StartupError: A program does not start.
    """
    targets = state_folder / "targets.json"
    if not targets.is_file():
        raise ConfigurationError(f"{targets} is not there; start `make serve` first, or name its --state-folder")
    folder = Path(tempfile.mkdtemp(prefix="awarenet-observe-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        configuration = folder / "alertmanager.yaml"
        configuration.write_text(_WITHOUT_RECEIVERS, encoding="utf-8")
        alerts = stack.enter_context(alertmanager(configuration, alertmanager_port, folder))
        metrics = stack.enter_context(prometheus(targets, port, alertmanager_port, folder))
        sys.stdout.write(
            f"prometheus    {metrics}  (alerts: {metrics}/alerts)\n"
            f"alertmanager  {alerts}\n"
            f"dashboards    import {os.path.relpath(HERE / 'dashboards')}/*.json into a Grafana that reads {metrics}\n"
        )
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            signal.pause()
        except KeyboardInterrupt:
            sys.stdout.write("ended\n")
