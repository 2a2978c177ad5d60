"""The gates and the command line, on a repository whose scores are known."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from awarenet.errors import ModelError
from awarenet.repository import ModelRepository, model_path, write_manifest
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import EFFICIENTNET, FAST_FILTER, FEATURES, META_MODEL, NETWORKS
from awarenet.trees import CompiledTrees
from export.difference import COMPILED, QUANTISED, TRANSLATED
from export.inference import run_graph
from export.parity import cascade_gate, network_gate, run_cascade, trees_gate
from export.samples import Samples
from tests import tiny_repository
from tests.tiny_repository import DOUBTFUL_FAKE, DOUBTFUL_REAL, SURELY_FAKE, SURELY_REAL


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_repository.build(tmp_path_factory.mktemp("gates") / "repository")


@pytest.fixture(scope="module")
def samples() -> Samples:
    faces = tiny_repository.paint(SURELY_REAL, SURELY_FAKE, DOUBTFUL_REAL, DOUBTFUL_FAKE)
    return Samples(faces, np.array([0, 1, 0, 1], np.int8), np.array(["painted"] * 4))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "export", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "500", **_path()})


def _path() -> dict[str, str]:
    import os

    return {name: os.environ[name] for name in ("PATH", "HOME", "AWARENET_CACHE") if name in os.environ}


def test_a_cascade_equals_itself(root: Path, samples: Samples) -> None:
    here = InProcessRuntime(root)
    outputs = {stage: run_graph(model_path(root, stage), samples.faces) for stage in NETWORKS}
    decide = CompiledTrees(model_path(root, META_MODEL)).predict
    replayed = run_cascade(outputs, samples.faces, here.policy, decide)
    gate = cascade_gate("itself", here.score(samples.faces), replayed, here.policy.decide_at, samples, TRANSLATED)
    assert gate.passed
    assert gate.difference.auc == {"painted": 1.0}
    assert gate.difference.other["other_exits"] == 0
    assert gate.to_dict()["passed"] is True


def test_another_stage_is_stopped_the_cascade_looks_well(root: Path, samples: Samples) -> None:
    fast, other = model_path(root, FAST_FILTER), model_path(root, EFFICIENTNET)
    gate = network_gate(
        "red, green", run_graph(fast, samples.faces), run_graph(other, samples.faces), samples, QUANTISED
    )
    assert not gate.passed
    assert gate.difference.flips == 0.5, "red decides the one, green the other: both certain faces change sides"


def test_trees_pass_and_their_negation_does_not(root: Path, samples: Samples, tmp_path: Path) -> None:
    features = np.random.default_rng(0).uniform(-8, 8, (4, len(FEATURES))).astype(np.float32)
    text, source = model_path(root, META_MODEL).with_name("trees.txt"), model_path(root, META_MODEL)
    assert trees_gate(text, source, features, samples).passed
    wrong = tmp_path / "trees.c"
    wrong.write_text(source.read_text().replace("-alpha * result[i]", "alpha * result[i]"))
    gate = trees_gate(text, wrong, features, samples)
    assert not gate.passed
    assert gate.difference.flips == 1.0
    assert gate.tolerance == COMPILED


def test_check_passes_a_sound_repository(root: Path) -> None:
    done = run("check", str(root))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all in order" in done.stdout
    assert "onnx-tensorrt" in done.stdout


def test_check_names_what_is_wrong(root: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(root, tmp_path / "repository"))
    model_path(broken, FAST_FILTER).write_bytes(b"tampered with")
    done = run("check", str(broken))
    assert done.returncode == 1
    assert "fast_filter/1/model.onnx was changed" in done.stderr
    write_manifest(broken, ModelRepository.open(root).policy)
    done = run("check", str(broken))
    assert done.returncode == 1
    assert "fast_filter differ" in done.stderr


def test_steps_out_of_order_say_which_comes_first(tmp_path: Path) -> None:
    done = run("assemble", str(tmp_path), "--out", str(tmp_path / "repository"))
    assert done.returncode == 1
    assert "export" in done.stderr
    assert not (tmp_path / "repository").exists()


def test_a_repository_of_the_run_needs_every_part(root: Path) -> None:
    with pytest.raises(ModelError, match="export assemble"):
        ModelRepository.open(root / "cascade")
