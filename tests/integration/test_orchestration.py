"""What an orchestrator asks and tells: health by inference, probes, the drain before a pod is told to end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from skimage.data import astronaut

from awarenet.runtime.server import TritonServer
from gateway.identity import new_key
from tests.chart.rendering import render
from tests.chart.rules import TRITON_METRICS, queries
from tests.gateway import ROOT, running
from tests.samples import save
from tests.serving import eventually


@dataclass
class Served:
    """A running `awarenet serve`."""

    process: subprocess.Popen[str]
    grpc: str
    health: str

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"{self.health}{path}", timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code


@contextmanager
def served(repository: Path) -> Iterator[Served]:
    ports = ["--http-port=0", "--grpc-port=0", "--metrics-port=0", "--health-port=0", "--connection-age=60"]
    command = [sys.executable, "-m", "awarenet.cli", "serve", f"--model-repository={repository}", *ports]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(4))
        grpc, health = re.search(r"grpc://\S+", said), re.search(r"health +(\d+)", said)
        assert grpc and health, said
        yield Served(process, grpc[0], f"http://127.0.0.1:{health[1]}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWARENET_")}
    python_path = f"{ROOT}:{ROOT / 'clients'}"
    return subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        env={**inherited, "PYTHONPATH": python_path, **environment},
        check=False,
        timeout=120,
    )


def test_health_follows_the_inference_where_triton_itself_stays_ready(tiny_repository: Path) -> None:
    with served(tiny_repository) as server:
        assert (server.status("/readyz"), server.status("/livez"), server.status("/")) == (200, 200, 404)
        probed = run("awarenet.cli", "probe", server.grpc, f"--model-repository={tiny_repository}")
        assert probed.returncode == 0, probed.stderr
        assert "the cascade answers" in probed.stdout

        (triton,) = [child for child in psutil.Process(server.process.pid).children() if "tritonserver" in child.name()]
        routers = [one for one in triton.children() if "/cascade/1/model.py" in " ".join(one.cmdline())]
        triton.suspend()  # Nothing answers, and nobody is told of the death: a dead router, seen from outside.
        for router in routers:
            router.kill()
        assert eventually(lambda: server.status("/readyz") == 503, 60)
        assert server.status("/livez") == 200, "it may come back by itself"
        triton.resume()
        assert eventually(lambda: server.status("/readyz") == 200, 90)


def test_a_probe_says_what_is_wrong_and_fails(tmp_path: Path) -> None:
    away = run("awarenet.cli", "probe", "grpc://127.0.0.1:9", "--timeout=2")
    assert (away.returncode, "does not answer" in away.stderr) == (1, True)
    nonsense = run("awarenet.cli", "probe", "ftp://127.0.0.1")
    assert (nonsense.returncode, "no address" in nonsense.stderr) == (1, True)


def test_the_hook_empties_a_gateway_under_traffic_without_losing_a_request(
    triton_server: TritonServer, tiny_repository: Path, tmp_path: Path
) -> None:
    save(tmp_path / "portrait.png", astronaut())
    picture, key = (tmp_path / "portrait.png").read_bytes(), new_key()
    with running(
        triton_server.grpc_url, tiny_repository, tmp_path / "state", first_api_key=key, queue=64, cached_results=0
    ) as gateway:
        probed = run("awarenet.cli", "probe", gateway.url, "--patience=60", AWARENET_FIRST_API_KEY=key)
        assert probed.returncode == 0, probed.stderr
        assert "of a picture it says" in probed.stdout
        settings = {"AWARENET_PORT": str(gateway.address[1]), "AWARENET_FIRST_API_KEY": key}
        wrong = run("gateway", "drain", **{**settings, "AWARENET_FIRST_API_KEY": new_key()})
        assert (wrong.returncode, "401" in wrong.stderr) == (1, True)

        # A balancer: it sends to this pod until it has learned that the pod ends.
        with ThreadPoolExecutor(8) as threads, gateway.client() as client:
            hook = threads.submit(run, "gateway", "drain", "--settle=4", **settings)
            answers = [client.post("/v1/detect", content=picture).status_code]
            while len(answers) < 6:
                sent = [threads.submit(client.post, "/v1/detect", content=picture) for _ in range(4)]
                answers += [answer.result().status_code for answer in sent]
            done = hook.result()
            assert done.returncode == 0, done.stderr
            assert set(answers) == {200}
            assert client.post("/v1/detect", content=picture).status_code == 503
            assert client.get("/livez").status_code == 200, "the process still runs; only now is it told to end"


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [({}, "AWARENET_FIRST_API_KEY"), ({"AWARENET_FIRST_API_KEY": new_key()}, "no gateway answers at")],
)
def test_a_hook_that_cannot_work_says_so(settings: dict[str, str], remedy: str) -> None:
    done = run("gateway", "drain", AWARENET_PORT="9", **settings)
    assert done.returncode == 1
    assert remedy in done.stderr


def test_what_autoscalers_follow_is_on_the_metrics_pages(
    triton_server: TritonServer, tiny_repository: Path, tmp_path: Path
) -> None:
    with running(triton_server.grpc_url, tiny_repository, tmp_path / "state") as gateway, gateway.client() as client:
        assert eventually(lambda: client.get("/readyz").status_code == 200, 60)
        with urllib.request.urlopen(triton_server.metrics_url, timeout=10) as response:
            exposed = response.read().decode() + client.get("/metrics").text
    followed = {
        name
        for engine in ("keda", "hpa")
        for _, query in queries(render("default", {"autoscaling": {"engine": engine}}))
        for name in re.findall(r"\b(?:nv|awarenet)_\w+(?=\{)", query)
    }
    assert followed > TRITON_METRICS
    for name in followed:
        assert re.search(rf"^{name}(\{{| )", exposed, re.MULTILINE), name
    assert 'nv_inference_pending_request_count{model="cascade"' in exposed


def test_a_shadow_judges_what_was_answered_and_counts_how_it_compares(
    triton_server: TritonServer, tiny_repository: Path, tmp_path: Path
) -> None:
    save(tmp_path / "portrait.png", astronaut())
    picture = (tmp_path / "portrait.png").read_bytes()
    for server, outcome in ((triton_server.grpc_url, "same"), ("grpc://127.0.0.1:9", "failed")):
        settings: dict[str, object] = {"shadow_server": server, "picture_timeout_s": 60}
        with (
            running(triton_server.grpc_url, tiny_repository, tmp_path / outcome, **settings) as gateway,
            gateway.client() as client,
        ):
            assert client.post("/v1/detect?route=full", content=picture).status_code == 200
            assert eventually(lambda gateway=gateway: gateway.metric("shadow_total") == 1, 60)  # type: ignore[misc]
            assert f'awarenet_gateway_shadow_total{{outcome="{outcome}"}} 1.0' in client.get("/metrics").text
            assert gateway.metric("verdicts_total") == 1, "the shadow's verdict is not the service's"
            assert gateway.metric("shadow_difference_count") == (outcome == "same")
