"""Starting and ending a real Triton: what is refused before it starts, and what is left when it has ended."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from awarenet.errors import ModelError, PolicyError, StartupError
from awarenet.policy import Policy
from awarenet.repository import policy_path, write_manifest
from awarenet.runtime.installation import Installation
from awarenet.runtime.server import TritonServer
from awarenet.signing import make_key
from tests import tiny_repository as tiny
from tests.serving import Answers, connect, eventually, metric, segments


@pytest.fixture
def copy(tiny_repository: Path, tmp_path: Path) -> Path:
    """A repository of the test's own."""
    return Path(shutil.copytree(tiny_repository, tmp_path / "repository"))


def test_it_says_where_it_listens(triton_server: TritonServer) -> None:
    with connect(triton_server) as client:
        assert client.is_server_ready()
        assert client.get_model_config("cascade", as_json=True)["config"]["parameters"]["policy_version"]
    assert triton_server.http_url.startswith("http://127.0.0.1:")
    assert metric(triton_server, "nv_inference_count", model="cascade") > 0


def test_the_models_that_callers_use_have_a_bounded_queue(triton_server: TritonServer) -> None:
    with connect(triton_server) as client:
        for name in ("meta_model", "cascade"):
            batching = client.get_model_config(name, as_json=True)["config"]["dynamic_batching"]
            assert 0 < batching["default_queue_policy"]["max_queue_size"] <= 1024
            assert batching["default_queue_policy"]["allow_timeout_override"]


def test_a_taken_port_is_named_with_the_remedy(tiny_repository: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=rf"port {port} .*--grpc-port"):
            TritonServer(tiny_repository, grpc_port=port).start()


def test_a_missing_model_file_is_named(copy: Path) -> None:
    (copy / "genconvit" / "1" / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"genconvit/1/model\.onnx is missing"):
        TritonServer(copy).start()


def test_a_tampered_model_file_is_named(copy: Path) -> None:
    with (copy / "fast_filter" / "1" / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ModelError, match=r"fast_filter/1/model\.onnx was changed"):
        TritonServer(copy).start()


@pytest.mark.parametrize("program", [["awarenet.cli", "serve"], ["gateway", "serve", "--port=0"]])
def test_models_of_somebody_unknown_are_not_served(copy: Path, tmp_path: Path, program: list[str]) -> None:
    keys = {"AWARENET_TRUSTED_KEYS": make_key(tmp_path / "key"), "AWARENET_STATE_FOLDER": str(tmp_path / "state")}
    command = [sys.executable, "-m", *program, f"--model-repository={copy}"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **keys}, timeout=60)
    assert done.returncode == 1 and "has no signature" in done.stderr and "Traceback" not in done.stderr


def test_a_missing_policy_is_named(copy: Path) -> None:
    policy_path(copy).unlink()
    with pytest.raises((ModelError, PolicyError), match=r"policy\.json"):
        TritonServer(copy).start()


def test_a_policy_for_other_models_is_refused_even_when_signed(copy: Path) -> None:
    shutil.copy(copy / "efficientnet/1/model.onnx", copy / "fast_filter/1/model.onnx")
    write_manifest(copy, Policy.from_json(policy_path(copy).read_text()))
    with pytest.raises(PolicyError, match="fast_filter differ"):
        TritonServer(copy).start()


def test_no_repository_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="export assemble"):
        TritonServer(tmp_path / "absent").start()


def test_a_target_that_the_wheel_cannot_run_is_refused(tiny_repository: Path) -> None:
    if shutil.which("tritonserver"):
        pytest.skip("the tritonserver on PATH may run every target")
    with pytest.raises(StartupError, match="container"):
        TritonServer(tiny_repository, target="tensorrt").start()


def test_no_tritonserver_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StartupError, match=r"awarenet\[serve\]"):
        Installation.find()


def test_a_server_that_answers_wrongly_does_not_start(copy: Path) -> None:
    """The served router is exchanged for one that answers in the right shapes and with the wrong numbers."""
    (copy / "cascade" / "1" / "model.py").write_text(
        (copy / "cascade" / "1" / "model.py").read_text() + "\n_decide = TritonPythonModel._decide\n\n\n"
        "async def corrupted(self, members):\n"
        "    decisions = await _decide(self, members)\n"
        "    decisions.evidence[:] = 0\n"
        "    return decisions\n\n\n"
        "TritonPythonModel._decide = corrupted\n"
    )
    write_manifest(copy, Policy.from_json(policy_path(copy).read_text()))
    before = segments()
    with pytest.raises(StartupError, match="self-test"):
        TritonServer(copy).start()
    assert segments() <= before


def test_a_router_that_does_not_load_is_a_startup_error_with_tritons_words(copy: Path) -> None:
    (copy / "cascade" / "1" / "model.py").write_text("raise RuntimeError('the router is ill')\n")
    write_manifest(copy, Policy.from_json(policy_path(copy).read_text()))
    with pytest.raises(StartupError, match="the router is ill"):
        TritonServer(copy).start()


def _serve(repository: Path) -> tuple[subprocess.Popen[str], str]:
    """`awarenet serve` on free ports, and its gRPC address."""
    ports = ["--http-port=0", "--grpc-port=0", "--metrics-port=0"]
    command = [sys.executable, "-m", "awarenet.cli", "serve", f"--model-repository={repository}", *ports]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    found = re.search(r"grpc +grpc://(\S+)", "".join(lines))
    assert found, lines
    return process, found[1]


def _segments_of(process: subprocess.Popen[str]) -> set[str]:
    return {name for name in segments() if name.startswith(f"awarenet-triton-{process.pid}-")}


def test_sigterm_finishes_what_is_under_way_and_leaves_nothing(tiny_repository: Path) -> None:
    import tritonclient.grpc as grpcclient

    process, address = _serve(tiny_repository)
    family = psutil.Process(process.pid).children(recursive=True)
    assert {child.name() for child in family} >= {"tritonserver"} and _segments_of(process)
    answers = Answers()
    with grpcclient.InferenceServerClient(address) as client:
        # Slow enough to be between two stages when the signal comes, and to wait in a queue.
        for colour in (tiny.SLOW, tiny.DOUBTFUL_FAKE) * 3:
            answers.send(client, tiny.paint(colour))
        assert eventually(lambda: client.get_inference_statistics("fast_filter").model_stats[0].execution_count > 1)
        process.send_signal(signal.SIGTERM)
        results = answers.wait()
        refused = [result for result in results if isinstance(result, Exception)]
        # What arrived after the signal is refused as new work; nothing that was accepted may fail.
        assert all("no available versions" in str(error) for error in refused)
        assert len(refused) <= 3
        assert all(result.as_numpy("exit_stage").tolist() == [[3]] for result in results if result not in refused)
    assert process.wait(30) == 0
    assert not [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not _segments_of(process)


def test_nothing_outlives_a_killed_parent(tiny_repository: Path) -> None:
    process, _ = _serve(tiny_repository)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) > 4 and _segments_of(process)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    # The claim on the segments died with its process: the next start sweeps whatever was left.
    from awarenet.runtime.shared_memory import remove_leftovers

    remove_leftovers()
    assert not _segments_of(process)


def test_a_failed_start_leaves_nothing(copy: Path) -> None:
    before, children = segments(), psutil.Process().children()
    shutil.rmtree(copy / "cascade" / "configs")
    (copy / "cascade" / "config.pbtxt").write_text("not a configuration")
    write_manifest(copy, Policy.from_json(policy_path(copy).read_text()))
    with pytest.raises(StartupError, match="Triton ended"):
        TritonServer(copy).start()
    assert segments() <= before
    assert psutil.Process().children() == children
