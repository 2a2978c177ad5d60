"""A pod is taken out of service under traffic, in the order that images/README.md gives, and no request fails.

Two pods of a gateway and a Triton each are the real processes. What Kubernetes does is played: requests go to the pods
that were ready when last asked, the `preStop` command runs, the gateway gets SIGTERM, and Triton only when the gateway
has ended.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import pytest

from awarenet.runtime.server import TritonServer
from tests.gateway import ROOT, Gateway, running
from tests.integration.test_gateway import other
from tests.serving import eventually

CALLERS = 4


@dataclass
class Pod:
    """A gateway and the Triton beside it."""

    triton: subprocess.Popen[str] | None
    gateway: Gateway

    @property
    def ready(self) -> bool:
        """Whether the readiness probe succeeds."""
        try:
            return httpx.get(f"{self.gateway.url}/readyz", timeout=30, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def pod(repository: Path, state: Path) -> Iterator[Pod]:
    """A pod whose two containers are processes."""
    command = [sys.executable, "-m", "awarenet.cli", "serve", "--model-repository", str(repository)]
    command += ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"]
    triton = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    assert triton.stdout is not None
    try:
        url = triton.stdout.readline().split()[1]
        # A queue with room for every caller: this is about draining, not about overload.
        with running(url, repository, state, queue=2 * CALLERS, picture_timeout_s=60) as gateway:
            yield Pod(triton, gateway)
    finally:
        if triton.poll() is None:
            triton.terminate()
        triton.wait(60)
        triton.stdout.close()


@dataclass
class Traffic:
    """Callers that never pause, and what became of their requests.

    Attributes:
        answered: When, by which pod, and with what.
    """

    pods: list[Pod]
    answered: list[tuple[float, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ready = set(range(len(self.pods)))
        self._heading = Counter[int]()
        self._changing = threading.Lock()
        self._over = threading.Event()
        self._numbers = itertools.count(10_000)
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        self._threads += [threading.Thread(target=self._watch, args=(which,)) for which in range(len(self.pods))]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def count(self, which: int, since: float = 0.0) -> int:
        """How many requests a pod has answered well since a moment."""
        return sum(at >= since and by == which and said == "200" for at, by, said in self.answered)

    @property
    def failures(self) -> list[tuple[float, int, str]]:
        """Everything but 200."""
        return [each for each in self.answered if each[2] != "200"]

    def left_alone(self, which: int) -> bool:
        """Whether no request goes to a pod any more."""
        with self._changing:
            return which not in self._ready and not self._heading[which]

    def _watch(self, which: int) -> None:
        """Asks for readiness, as the kubelet does, and spreads the requests accordingly, as a Service does."""
        while not self._over.wait(0.2):
            ready = self.pods[which].ready
            with self._changing:
                (self._ready.add if ready else self._ready.discard)(which)

    def _choose(self) -> int | None:
        """A pod that is ready; None where a slow machine has none for a moment."""
        with self._changing:
            if not self._ready:
                return None
            which = random.choice(sorted(self._ready))
            self._heading[which] += 1
            return which

    def _call(self) -> None:
        """One caller, with connections that it keeps: those that drain must be closed by the gateway."""
        with ExitStack() as stack:
            clients = [stack.enter_context(pod.gateway.client()) for pod in self.pods]
            while not self._over.is_set():
                if (which := self._choose()) is None:
                    self._over.wait(0.05)
                    continue
                try:
                    said = str(clients[which].post("/v1/detect", content=other(next(self._numbers))).status_code)
                except httpx.HTTPError as error:
                    said = repr(error)
                with self._changing:
                    self._heading[which] -= 1
                self.answered.append((time.monotonic(), which, said))


@pytest.fixture
def pods(tiny_repository: Path, tmp_path: Path) -> Iterator[list[Pod]]:
    """Two pods, ready."""
    with ExitStack() as stack:
        both = [stack.enter_context(pod(tiny_repository, tmp_path / f"state{number}")) for number in range(2)]
        assert eventually(lambda: all(each.ready for each in both), timeout_s=120)
        yield both


def pre_stop(pod: Pod, *options: str) -> subprocess.CompletedProcess[str]:
    """What the chart runs in the gateway's container before it is stopped."""
    environment = os.environ | {
        "AWARENET_PORT": str(pod.gateway.address[1]),
        "AWARENET_STATE_FOLDER": str(pod.gateway.state),
    }
    command = [sys.executable, "-m", "gateway", "drain", *options]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600)


def test_a_pod_that_leaves_in_the_charts_order_loses_no_request_and_in_the_opposite_one_it_does(
    pods: list[Pod],
) -> None:
    leaving, staying = pods
    assert leaving.triton is not None and staying.triton is not None
    with Traffic(pods) as traffic, ThreadPoolExecutor() as threads:
        assert eventually(lambda: traffic.count(0) >= 10 and traffic.count(1) >= 10, timeout_s=120)
        # How long it takes until everybody has seen it leave depends on the machine, so the wait is ended by hand.
        settling = threads.submit(pre_stop, leaving, "--settle", "600")
        assert eventually(lambda: traffic.left_alone(0), timeout_s=120)
        assert not settling.done()
        done = pre_stop(leaving, "--settle", "0")
        assert (done.returncode, done.stderr) == (0, "")
        assert settling.result().returncode == 0
        leaving.gateway.process.send_signal(signal.SIGTERM)
        assert leaving.gateway.process.wait(60) == 0
        assert leaving.triton.poll() is None
        leaving.triton.send_signal(signal.SIGTERM)
        assert leaving.triton.wait(60) == 0
        gone = time.monotonic()
        assert eventually(lambda: traffic.count(1, since=gone) >= 10, timeout_s=120)
        assert traffic.failures == []

        # Triton before its gateway: what is asked for in between is lost.
        staying.triton.send_signal(signal.SIGTERM)
        with staying.gateway.client() as client:
            assert eventually(lambda: client.post("/v1/detect", content=other(1)).status_code == 503, timeout_s=120)


def test_while_it_settles_work_is_taken_and_connections_are_closed(
    triton_server: TritonServer, tiny_repository: Path, tmp_path: Path
) -> None:
    with (
        running(triton_server.grpc_url, tiny_repository, tmp_path / "state", picture_timeout_s=60) as gateway,
        gateway.client() as client,
    ):
        leaving = Pod(None, gateway)
        assert "connection" not in client.post("/v1/detect", content=other(1)).headers
        draining = threading.Thread(target=pre_stop, args=(leaving, "--settle", "600"))
        draining.start()
        try:
            assert eventually(lambda: not leaving.ready, timeout_s=60)
            answer = client.post("/v1/detect", content=other(2))
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        finally:
            # A signal ends the wait, and with it the command, which is answered.
            leaving.gateway.process.send_signal(signal.SIGTERM)
            draining.join(60)
        assert leaving.gateway.process.wait(60) == 0


def test_without_a_gateway_or_its_key_the_command_says_so(tmp_path: Path) -> None:
    nobody = Gateway("http://127.0.0.1:9", "", None, tmp_path)  # type: ignore[arg-type]
    done = pre_stop(Pod(None, nobody))
    assert done.returncode == 1 and "set AWARENET_STATE_FOLDER" in done.stderr
    (tmp_path / "api_key").write_text("an old key\n")
    done = pre_stop(Pod(None, nobody))
    assert done.returncode == 1 and "no gateway answers at http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
