"""The meta-model on synthetic logits: order, polarity, missing values, honesty of its own figures."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from awarenet.errors import DataError
from awarenet.evaluation import metrics
from awarenet.stages import FEATURES, NETWORKS, Stage
from tests.unit.synthetic_logits import make_crops, make_table
from training import logits, stacking
from training.crops import TABLE_FILE, CropCache
from training.remembered import Remembered


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return make_table(100, separation=1.2)


@pytest.fixture(scope="module")
def stack(table: pd.DataFrame) -> stacking.Stack:
    return stacking.fit(table)


def test_the_stack_beats_every_stage_and_has_no_worse_order_than_their_mean(
    table: pd.DataFrame, stack: stacking.Stack
) -> None:
    figures = stacking.compare(table, stack.out_of_fold)
    for name in logits.LOGITS:
        assert figures["meta_model"]["auc"] > figures[name]["auc"] + 0.03
    # The views are independent and equally good: their mean is the best there is.
    assert abs(figures["meta_minus_mean"]["auc"]) < 0.03 and not figures["meta_minus_mean"]["better"]


def test_a_stack_that_knows_more_than_the_mean_is_said_to_be_better() -> None:
    table = make_table(100, separation=1.2)
    # Two of the three networks say nothing: their mean is diluted, trees learn whom to ask.
    rng = np.random.default_rng(1)
    for name in ("efficientnet_logit", "genconvit_autoencoder_logit", "genconvit_variational_logit"):
        table[name] = rng.normal(0, 4, len(table)).astype(np.float32)
    figures = stacking.compare(table, stacking.fit(table).out_of_fold)
    assert figures["meta_minus_mean"]["better"] and figures["meta_minus_mean"]["auc"] > 0.05


def test_out_of_fold_scores_know_nothing_of_labels_that_mean_nothing() -> None:
    table = make_table(60, separation=0.0)
    scores = stacking.fit(table).out_of_fold
    assert 0.4 < metrics.auc(table["label"], scores) < 0.6


def test_folds_hold_whole_groups_and_the_fit_is_deterministic(table: pd.DataFrame, stack: stacking.Stack) -> None:
    assert (pd.Series(stack.fold).groupby(table["group"].to_numpy()).nunique() == 1).all()
    again = stacking.fit(table)
    np.testing.assert_array_equal(again.out_of_fold, stack.out_of_fold)
    assert again.booster.model_to_string() == stack.booster.model_to_string()


def test_noise_while_fitting_makes_the_probability_hang_less_on_a_small_difference(
    table: pd.DataFrame, stack: stacking.Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = stacking.feature_matrix(table)
    columns = [FEATURES.index(name) for name in logits.LOGITS]
    near = rows.copy()
    near[:, columns] += np.random.default_rng(0).normal(0, 0.05, (len(rows), len(columns))) * rows[:, columns].std(0)

    def moved(booster: lightgbm.Booster) -> float:
        return float(np.abs(stacking.predict(booster, near) - stacking.predict(booster, rows)).mean())

    monkeypatch.setattr(stacking, "NOISE", 0.0)
    assert moved(stack.booster) < 0.9 * moved(stacking.fit(table).booster)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), step=st.floats(0.01, 8.0), name=st.sampled_from(logits.LOGITS))
def test_probability_rises_with_every_logit(stack: stacking.Stack, seed: int, step: float, name: str) -> None:
    rows = stacking.feature_matrix(make_table(4, seed=seed))
    raised = rows.copy()
    raised[:, FEATURES.index(name)] += np.float32(step)
    assert (stacking.predict(stack.booster, raised) >= stacking.predict(stack.booster, rows)).all()


def test_inverted_labels_cannot_turn_the_trees_round(table: pd.DataFrame) -> None:
    inverted = stacking.fit(table.assign(label=1 - table["label"]))
    # What is left is the residual and quality, which say nothing here.
    assert metrics.auc(1 - table["label"], inverted.out_of_fold) < 0.6


def test_the_model_names_the_features_in_order_and_uses_nothing_that_the_compiler_gets_wrong(
    stack: stacking.Stack, tmp_path: Path
) -> None:
    stacking.save(stack.booster, tmp_path / "trees.txt")
    text = (tmp_path / "trees.txt").read_text()
    assert f"feature_names={' '.join(FEATURES)}\n" in text
    assert "[zero_as_missing: 0]" in text and "[linear_tree: 0]" in text
    assert stack.booster.num_trees() <= stacking.MAX_TREES
    rows = stacking.feature_matrix(make_table(3))
    loaded = stacking.load(tmp_path / "trees.txt")
    np.testing.assert_array_equal(stacking.predict(loaded, rows), stacking.predict(stack.booster, rows))


def test_an_unknown_face_size_is_missing_and_not_zero() -> None:
    table = make_table(100, separation=1.0)
    # Small faces are fake: zero would be the most suspicious size of all.
    table["face_px"] = np.where(table["label"] == 1, 100, 400) + np.arange(len(table)) % 50
    table["face_px"] = table["face_px"].astype(np.float32)
    booster = stacking.fit(table).booster
    rows = stacking.feature_matrix(make_table(10, separation=0.0))
    unknown, zero = rows.copy(), rows.copy()
    unknown[:, FEATURES.index("face_px")] = np.nan
    zero[:, FEATURES.index("face_px")] = 0
    assert (stacking.predict(booster, zero) > stacking.predict(booster, unknown) + 0.01).all()
    assert np.isfinite(stacking.predict(booster, unknown)).all()


def test_bad_tables_are_refused(table: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="lacks sharpness"):
        stacking.fit(table.drop(columns="sharpness"))
    with pytest.raises(DataError, match="not finite"):
        stacking.fit(table.assign(efficientnet_logit=np.nan))
    with pytest.raises(DataError, match="needs reals"):
        stacking.fit(table.assign(label=1))
    with pytest.raises(DataError, match="got 3 groups"):
        stacking.fit(make_table(3))
    with pytest.raises(DataError, match="training stack"):
        stacking.load(Path("nowhere.txt"))


def mean_of_channels(faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    means = faces.mean(axis=(1, 2)).astype(np.float32)
    return {"logit": means[:, :2], "residual": means[:, 2:]}


def test_logits_of_held_out_people_carry_every_feature(tmp_path: Path) -> None:
    cache = CropCache.open(make_crops(tmp_path / "crops"))
    scorers = dict.fromkeys(NETWORKS, mean_of_channels)
    scores = logits.stage_logits(scorers, cache, draws=2, batch=5)
    assert len(scores) == 6 * 2 * 2 and {*scores["split"]} == {"calibration", "validation"}
    assert scores["label"].tolist() == [0, 1] * 12
    assert set(scores.loc[scores["label"] == 0, "method"]) == {"photo"}
    assert np.isfinite(scores[list(FEATURES)].to_numpy()).all()
    # The cached square is 1.5 times the face box, the served crop 1.3 times.
    assert scores["face_px"].unique() == pytest.approx([300 * 1.3 / 1.5])
    pd.testing.assert_frame_equal(scores, logits.stage_logits(scorers, cache, draws=2, batch=16))
    with pytest.raises(DataError, match="no face in the splits nowhere"):
        logits.stage_logits(scorers, cache, splits=["nowhere"])


def test_logits_refuse_people_that_were_trained_on(tmp_path: Path) -> None:
    cache = CropCache.open(make_crops(tmp_path / "crops"))
    cache.table["group"] = "everybody"
    with pytest.raises(DataError, match="logits: 1 groups are on both sides"):
        logits.stage_logits({}, cache)


def test_out_of_fold_trains_every_stage_anew_without_the_people_it_scores(tmp_path: Path) -> None:
    crops = make_crops(tmp_path / "crops")
    folds = stacking.group_folds([f"person{i}" for i in range(9)], 3, seed=0)
    trained_on: dict[Path, set[str]] = {}

    def train_stage(stage: Stage, cache: Path, run: Path) -> None:
        table = pd.read_parquet(cache / TABLE_FILE)
        trained_on[run] = {*table.loc[table["split"] == "train", "group"]}
        (run / f"{stage.name}.safetensors").touch()

    def scorers(run: Path) -> dict[Stage, logits.Scorer]:
        assert all((run / f"{stage.name}.safetensors").exists() for stage in NETWORKS)
        return dict.fromkeys(NETWORKS, mean_of_channels)

    arguments = (crops, folds, train_stage, tmp_path / "work")
    scores = logits.out_of_fold(*arguments, scorers=scorers, draws=1)
    assert {*scores["group"]} == {*folds} and (scores["fold"] == scores["group"].map(folds)).all()
    assert len(trained_on) == 3
    for run, people in trained_on.items():
        held = {*scores.loc[scores["fold"] == int(run.name[4:]), "group"]}
        assert held and people == {*folds} - held
    trained_on.clear()
    pd.testing.assert_frame_equal(scores, logits.out_of_fold(*arguments, scorers=scorers, draws=1))
    assert not trained_on
    with pytest.raises(DataError, match="groups have no fold"):
        logits.out_of_fold(crops, {"person0": 0}, train_stage, tmp_path / "other", scorers=scorers)


@settings(max_examples=30, deadline=None)
@given(names=st.sets(st.text(min_size=1, max_size=3), min_size=4, max_size=40), seed=st.integers(0, 99))
def test_folds_are_balanced_and_do_not_depend_on_order(names: set[str], seed: int) -> None:
    dealt = stacking.group_folds(names, 4, seed=seed)
    sizes = np.bincount(list(dealt.values()), minlength=4)
    assert sizes.max() - sizes.min() <= 1
    assert dealt == stacking.group_folds(sorted(names, reverse=True), 4, seed=seed)


def test_a_network_runs_once_on_a_face_and_anew_on_a_changed_one(tmp_path: Path) -> None:
    seen: list[int] = []

    def load() -> logits.Scorer:
        def score(faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
            seen.append(len(faces))
            return mean_of_channels(faces)

        return score

    faces = np.random.default_rng(0).integers(0, 256, (5, 256, 256, 3), np.uint8)
    first = Remembered(load, tmp_path / "deep" / "scores.npz")
    expected = mean_of_channels(faces)
    np.testing.assert_array_equal(first(faces)["logit"], expected["logit"])
    np.testing.assert_array_equal(first(faces[::-1])["residual"], expected["residual"][::-1])
    first.save()
    again = Remembered(load, tmp_path / "deep" / "scores.npz")
    faces[2, 0, 0, 0] ^= 1
    np.testing.assert_array_equal(again(faces)["logit"], mean_of_channels(faces)["logit"])
    assert seen == [5, 1]
