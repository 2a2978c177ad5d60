"""A model repository opens only when every file is the one that was assembled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from awarenet.errors import ModelError, PolicyError
from awarenet.policy import Leakage, Policy, file_sha256
from awarenet.repository import JUDGED, ModelRepository, model_path, policy_path, write_manifest
from awarenet.stages import CASCADE, FAST_FILTER, META_MODEL


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for stage in (*JUDGED, CASCADE):
        model_path(tmp_path, stage).parent.mkdir(parents=True)
        model_path(tmp_path, stage).write_text(f"the model of {stage.name}")
    hashes = {stage.name: file_sha256(model_path(tmp_path, stage)) for stage in JUDGED}
    policy = Policy(0.1, 0.9, 0.5, 0.05, Leakage(0.01, 100, 0, 0.03, 100, 50), "made up", hashes)
    policy_path(tmp_path).write_text(policy.to_json())
    write_manifest(tmp_path, policy)
    return tmp_path


def test_an_untouched_repository_opens(root: Path) -> None:
    repository = ModelRepository.open(root)
    assert repository.policy.real_below == 0.1
    assert repository.model_path(META_MODEL).read_text() == "the model of meta_model"
    manifest = json.loads((root / "manifest.json").read_text())
    assert manifest["model_version"] == repository.policy.model_version
    assert manifest["policy_version"] == repository.policy.version


def test_the_manifest_is_deterministic(root: Path) -> None:
    before = (root / "manifest.json").read_bytes()
    write_manifest(root, ModelRepository.open(root).policy)
    assert (root / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("name", ["fast_filter/1/model.onnx", "cascade/1/model.py", "cascade/1/policy.json"])
def test_a_changed_file_is_named(root: Path, name: str) -> None:
    data = bytearray((root / name).read_bytes())
    data[-2] ^= 1
    (root / name).write_bytes(data)
    with pytest.raises(ModelError, match=f"{name} was changed"):
        ModelRepository.open(root)


def test_a_missing_file_is_named(root: Path) -> None:
    model_path(root, META_MODEL).unlink()
    with pytest.raises(ModelError, match=r"meta_model/1/trees\.c is missing"):
        ModelRepository.open(root)


def test_a_file_that_nobody_signed_is_named(root: Path) -> None:
    (root / "fast_filter" / "1" / "extra.py").write_text("")
    with pytest.raises(ModelError, match=r"fast_filter/1/extra\.py is not in manifest\.json"):
        ModelRepository.open(root)


def test_byte_code_written_by_the_stub_is_no_tampering(root: Path) -> None:
    (root / "cascade" / "1" / "__pycache__").mkdir()
    (root / "cascade" / "1" / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"")
    ModelRepository.open(root)


def test_a_manifest_that_forgets_a_model_is_refused(root: Path) -> None:
    policy = ModelRepository.open(root).policy
    model_path(root, FAST_FILTER).unlink()
    write_manifest(root, policy)
    with pytest.raises(ModelError, match="the model file of fast_filter is missing"):
        ModelRepository.open(root)


def test_a_policy_for_other_models_is_refused_even_when_signed(root: Path) -> None:
    policy = ModelRepository.open(root).policy
    model_path(root, FAST_FILTER).write_text("another model")
    write_manifest(root, policy)
    with pytest.raises(PolicyError, match="fast_filter differ"):
        ModelRepository.open(root)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": []}'])
def test_a_broken_manifest_is_refused(root: Path, text: str) -> None:
    (root / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match=r"manifest\.json"):
        ModelRepository.open(root)


def test_no_repository_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="export assemble"):
        ModelRepository.open(tmp_path / "absent")
