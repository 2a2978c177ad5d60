"""The benchmark: its load, its workload, its figures, and one short run over the tiny model repository."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from awarenet.errors import ModelError
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import NETWORKS, ExitStage
from benchmarks import bench, machine, plan
from benchmarks.contender import Contender, Running
from benchmarks.contenders import eager
from benchmarks.load import drive_load, percentile
from benchmarks.table import TARGETS, show
from benchmarks.workload import Workload, prepare
from tests import tiny_repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    return tiny_repository.build(tmp_path_factory.mktemp("tiny") / "repository")


@pytest.fixture(scope="module")
def workload(repository, tmp_path_factory) -> Workload:
    return prepare(repository, tmp_path_factory.mktemp("bench") / "repository")


@pytest.mark.parametrize(("size", "deferred"), [(1, 0.0), (1, 0.25), (8, 0.3), (8, 1.0), (32, 0.1)])
def test_requests_defer_the_share_that_was_asked_for(workload, size, deferred):
    requests = workload.requests(size, deferred)
    assert {request.shape for request in requests} == {(size, 256, 256, 3)}
    runtime = InProcessRuntime(workload.repository)
    stages = np.concatenate([runtime.score(request).exit_stage for request in requests])
    runtime.close()
    assert (stages == ExitStage.META_MODEL).sum() == int(len(stages) * deferred + 1e-6)


def test_workload_keeps_the_share_that_the_policy_deferred(workload):
    assert workload.deferred_by_policy == pytest.approx(1 / 3)  # the tiny policy settles 200 of 300 reals


def test_every_caller_has_its_thread_and_no_request_is_lost():
    seen: dict[int, list[int]] = {}

    def caller(number):
        def score(faces):
            seen.setdefault(number, []).append(threading.get_ident())
            time.sleep(0.002)
            return np.zeros(len(faces), np.float32)

        return score

    requests = [np.zeros((4, 256, 256, 3), np.uint8)] * 3
    window = drive_load([caller(number) for number in range(3)], requests, 0.1)
    assert sorted(seen) == [0, 1, 2]
    assert all(len(set(threads)) == 1 for threads in seen.values())
    assert len(window.latencies_ms) == sum(map(len, seen.values()))
    assert min(window.latencies_ms) >= 2
    # A caller spends its whole time in requests of 4 faces that take at least 2 ms.
    assert 0 < window.faces_per_s <= 3 * 4 / 0.002


def test_callers_that_wait_for_each_other_are_not_counted_as_if_at_once():
    """A service that does one request at a time, whoever asks: 50 ms for a face, so 20 faces/s and never more."""
    one_at_a_time = threading.Lock()

    def score(faces):
        with one_at_a_time:
            time.sleep(0.05)

    window = drive_load([score] * 8, [np.zeros((1, 256, 256, 3), np.uint8)], 0.1)
    assert window.faces_per_s <= 20


def test_a_request_longer_than_the_window_counts_with_its_real_duration():
    window = drive_load([lambda faces: time.sleep(0.2)], [np.zeros((8, 256, 256, 3), np.uint8)], 0.01)
    assert len(window.latencies_ms) == 1
    assert window.faces_per_s <= 8 / 0.2


def test_an_error_of_a_caller_ends_the_run():
    def score(faces):
        raise ModelError("broken")

    with pytest.raises(ModelError, match="broken"):
        drive_load([score, score], [np.zeros((1, 256, 256, 3), np.uint8)], 0.1)


def test_percentile_is_a_latency_that_occurred():
    assert percentile([1.0, 2.0, 3.0, 100.0], 0.99) == 100.0
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0


def test_ratios_are_taken_within_rounds_and_against_the_faster_in_process_run():
    saturated = {
        "in_process_1t": {"faces_per_s": 100.0, "rounds": [100.0, 50.0, 100.0]},
        "in_process_2t": {"faces_per_s": 90.0, "rounds": [90.0, 90.0, 90.0]},
        "triton": {"faces_per_s": 95.0, "rounds": [95.0, 47.5, 60.0]},
    }
    latencies = {
        "sure": {"in_process_1t": {"p50_ms": 3.0}, "in_process_2t": {"p50_ms": 2.0}, "triton": {"p50_ms": 3.5}},
        "deferred": {"in_process_1t": {"p50_ms": 30.0}, "in_process_2t": {"p50_ms": 20.0}, "triton": {"p50_ms": 21.0}},
    }
    figures = plan.headlines(saturated, latencies)
    assert figures["triton_over_inprocess_throughput"] == pytest.approx(0.95)
    assert figures["triton_added_p50_ms"] == pytest.approx(1.5)
    assert figures["cascade_int8_over_eager_ensemble"] is None


def test_contenders_that_run_other_models_are_not_compared(workload):
    def opened(name, answer, same=True):
        contender = Contender(name, name, lambda: None, same)
        return plan.Opened(contender, Running(lambda: answer), (answer,))

    honest = opened("a", lambda faces: np.full(len(faces), 0.2, np.float32))
    other = opened("b", lambda faces: np.full(len(faces), 0.7, np.float32))
    with pytest.raises(ModelError, match=r"b and a differ by 0\.500"):
        plan.check_answers([honest, other], workload)
    lost = opened("c", lambda faces: np.full(len(faces), np.nan, np.float32))
    with pytest.raises(ModelError):
        plan.check_answers([honest, lost], workload)
    always_on = opened("d", lambda faces: np.full(len(faces), 0.7, np.float32), same=False)
    assert plan.check_answers([honest, always_on], workload)["d"] == pytest.approx(0.5)


def test_memory_of_a_tree_counts_the_children():
    child = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=0); "
        "print(flush=True); p.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        tree = machine.tree_memory(process.pid)
        process.communicate(b"\n")
    assert len(tree["processes"]) == 2
    assert tree["rss_mb"] == pytest.approx(sum(entry["rss_mb"] for entry in tree["processes"]))
    assert 0 < tree["pss_mb"] <= tree["rss_mb"]


def test_the_eager_ensemble_says_whose_weights_it_has_or_what_is_missing(workload, tmp_path, monkeypatch):
    assert "random weights" in eager.contender(tmp_path, workload.repository).what
    for stage in NETWORKS:
        (tmp_path / f"{stage.name}.safetensors").touch()
    assert f"weights of {tmp_path}" in eager.contender(tmp_path, workload.repository).what
    monkeypatch.setattr(eager, "find_spec", lambda name: None if name == "torch" else name)
    assert "torch not installed" in eager.missing()


def test_the_eager_ensemble_scores_without_trained_weights(workload, tmp_path):
    with eager.contender(tmp_path, workload.repository).open() as running:
        probability = running.connect()(workload.sure[:2])
    assert probability.shape == (2,)
    assert ((probability >= 0) & (probability <= 1)).all()


def test_a_short_run_gives_every_figure(repository, tmp_path):
    """Everything starts, answers alike and is measured; the figures themselves are not judged here."""
    command = [sys.executable, "-m", "benchmarks", "--model-repository", str(repository), "--seconds", "1"]
    command += ["--run", str(repository.with_name("none")), "--skip", "eager_ensemble"]
    command += ["--out", str(tmp_path / "bench.json")]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert ended.returncode == 0, ended.stderr
    result = json.loads((tmp_path / "bench.json").read_text())
    assert set(TARGETS) <= set(result)
    assert result["triton_over_inprocess_throughput"] > 0
    assert result["cascade_int8_over_eager_ensemble"] is None
    assert "--skip" in result["skipped"]["eager_ensemble"]
    assert "has no weights of" in result["skipped"]["FP32 stages"]
    assert set(result["saturation"]) >= {"in_process_1t", "triton", "client_cascade", "fastapi"}
    assert set(result["growth"]["deferred"]["triton"]) == {str(share) for share in plan.GROWTH_DEFERRED}
    # The supervising process, tritonserver, and a stub for each instance.
    assert len(result["memory"]["triton"]["processes"]) >= 6
    assert result["serving_tree_pss_mb"] < result["serving_tree_rss_mb"]
    assert "not measured: FP32 stages" in ended.stdout
    wide = Console(file=io.StringIO(), width=200)
    show(result, wide)
    for words, _ in TARGETS.values():
        assert words in wide.file.getvalue()


def test_the_plan_fills_the_time_it_is_given():
    names = [f"{plan.IN_PROCESS}1t", plan.TRITON, "fastapi"]
    growth = 3 * 2 * (len(plan.GROWTH_BATCHES) + len(plan.GROWTH_DEFERRED) + len(plan.GROWTH_FACES))
    windows = 3 * (len(plan.CALLERS) + 4 * plan.ROUNDS) + growth
    assert bench.count_windows(names) == windows


def test_a_short_live_run_answers_frames_and_says_how_late(repository, tmp_path):
    command = [sys.executable, "-m", "benchmarks", "live", "--model-repository", str(repository), "--in-process"]
    command += ["--seconds", "8", "--people", "2", "--face-engine", "hog", "--out", str(tmp_path / "live.json")]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert ended.returncode == 0, ended.stderr
    result = json.loads((tmp_path / "live.json").read_text())
    assert result["frames_sent"] == 200 and 0 < result["frames_answered"] <= 200
    assert result["people_found"] == 2 and result["faces_scored_per_s"] > 0
    assert 0 < result["arrival_to_score_p50_ms"] <= result["sent_to_score_p50_ms"]
    assert "frames without an answer" in ended.stdout
