"""The meta-model: LightGBM and the compiled trees are the same function, and a broken installation says so."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from awarenet.errors import ConfigurationError, ModelError, TensorError
from awarenet.stages import FEATURES
from awarenet.trees import CompiledTrees
from export.trees import TREE_FILES, export_trees


def rows(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, len(FEATURES))).astype(np.float32)
    features[random.random(features.shape) < 0.15] = np.nan
    return features


def train(path: Path, **parameters: object) -> lightgbm.Booster:
    features = rows(600)
    labels = np.nansum(features[:, :3], axis=1) > 0
    settings = {"objective": "binary", "num_leaves": 7, "num_threads": 1, "verbose": -1, **parameters}
    names = list(FEATURES) if "names" not in settings else settings.pop("names")
    booster = lightgbm.train(settings, lightgbm.Dataset(features, labels, feature_name=names), 12)
    booster.save_model(path)
    return booster


@pytest.fixture(scope="module")
def booster_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("booster") / "model.txt"
    train(path)
    return path


@pytest.fixture(scope="module")
def source(booster_file: Path) -> Path:
    return export_trees(booster_file, booster_file.parent / "trees") / "trees.c"


def test_export_writes_the_three_files(source: Path) -> None:
    assert sorted(path.name for path in source.parent.iterdir()) == sorted(TREE_FILES)


def test_export_is_deterministic(booster_file: Path, source: Path, tmp_path: Path) -> None:
    again = export_trees(booster_file, tmp_path)
    assert all((again / name).read_bytes() == (source.parent / name).read_bytes() for name in TREE_FILES)


@pytest.mark.parametrize("parameters", [{}, {"sigmoid": 2.0}, {"use_missing": False}, {"boosting": "dart"}])
def test_compiled_trees_equal_lightgbm(tmp_path: Path, parameters: dict[str, object]) -> None:
    booster = train(tmp_path / "model.txt", **parameters)
    features = rows(2000, seed=1)
    features[0] = np.nan
    features[1] = 0
    features[2] = np.inf
    before = features.copy()
    trees = CompiledTrees(export_trees(tmp_path / "model.txt", tmp_path / "out") / "trees.c", tmp_path / "cache")
    np.testing.assert_allclose(trees.predict(features), booster.predict(features), atol=1e-6)
    np.testing.assert_array_equal(features, before)


def test_a_batch_equals_its_rows_one_by_one_and_strides_do_not_matter(source: Path, tmp_path: Path) -> None:
    trees = CompiledTrees(source, tmp_path)
    features = rows(50, seed=2)
    batch = trees.predict(features)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, np.concatenate([trees.predict(row[None]) for row in features]))
    np.testing.assert_array_equal(batch[::-2], trees.predict(features[::-2]))
    assert trees.predict(features[:0]).shape == (0,)


@pytest.mark.parametrize("features", [np.zeros((2, 3), np.float32), rows(2).astype(np.float64), rows(1)[0]])
def test_wrong_features_are_refused(source: Path, tmp_path: Path, features: np.ndarray) -> None:
    with pytest.raises(TensorError, match="expected float32"):
        CompiledTrees(source, tmp_path).predict(features)


def test_a_second_start_needs_no_compiler(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = CompiledTrees(source, tmp_path).predict(rows(5))
    monkeypatch.setenv("CC", "no-such-compiler")
    np.testing.assert_array_equal(CompiledTrees(source, tmp_path).predict(rows(5)), first)
    with pytest.raises(ConfigurationError, match="apt-get install gcc"):
        CompiledTrees(source, tmp_path / "elsewhere")


def test_a_damaged_cache_is_compiled_again(source: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    first = CompiledTrees(source, tmp_path / "first").predict(rows(5))
    (compiled,) = (tmp_path / "first").glob("*.so")
    # In another folder: this process has the first library mapped.
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / compiled.name).write_bytes(compiled.read_bytes()[:100])
    np.testing.assert_array_equal(CompiledTrees(source, tmp_path / "second").predict(rows(5)), first)


def test_without_a_writable_cache_it_still_runs(source: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    assert CompiledTrees(source, blocked / "cache").predict(rows(3)).shape == (3,)


def _first_row(source: Path, cache: Path) -> float:
    return float(CompiledTrees(source, cache).predict(rows(1))[0])


def test_processes_that_start_together_share_one_cache(source: Path, tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("fork")) as pool:
        results = [pool.submit(_first_row, source, tmp_path) for _ in range(3)]
        assert len({result.result() for result in results}) == 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".so"]


def test_a_source_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is missing"):
        CompiledTrees(tmp_path / "trees.c")
    (tmp_path / "trees.c").write_text("int broken(")
    with pytest.raises(ModelError, match="does not compile"):
        CompiledTrees(tmp_path / "trees.c", tmp_path)
    (tmp_path / "trees.c").write_text("int get_num_feature(void) { return 8; }")
    with pytest.raises(ModelError, match="not a tree source"):
        CompiledTrees(tmp_path / "trees.c", tmp_path)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"zero_as_missing": True}, "zero_as_missing"),
        ({"names": [f"f{i}" for i in range(len(FEATURES))]}, "its features are"),
        ({"objective": "regression"}, "objective"),
    ],
)
def test_models_that_would_compile_to_something_else_are_refused(
    tmp_path: Path, parameters: dict[str, object], message: str
) -> None:
    train(tmp_path / "model.txt", **parameters)
    with pytest.raises(ModelError, match=message):
        export_trees(tmp_path / "model.txt", tmp_path / "out")


def test_what_is_no_lightgbm_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("not a model")
    with pytest.raises(ModelError, match="not named"):
        export_trees(tmp_path / "model.txt", tmp_path / "out")
