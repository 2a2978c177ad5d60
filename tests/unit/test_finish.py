"""From saved stages to policy and cards: real (untrained) networks, a tiny crop cache, the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from awarenet.errors import AwareNetError, DataError, ModelError
from awarenet.policy import Policy, file_sha256
from awarenet.stages import FEATURES, GENCONVIT, NETWORKS, Stage
from tests import tiny_repository
from tests.unit.synthetic_logits import make_crops, make_table
from tests.unit.test_datasets import make_faceforensics, touch
from training import finish, networks
from training.__main__ import COMMANDS, app
from training.logits import LOGITS, LOGITS_FILE, out_of_fold, train_with, trained_scorers
from training.model_card import write_cards
from training.stacking import group_folds

CONFIGS: dict[str, dict[str, object]] = {
    "efficientnet": {"architecture": "mobilenetv4_conv_small"},
    "genconvit": {"convnext": "convnext_atto_ols", "convnext_options": {"depths": [1, 1, 3, 1]}},
}


def save_stage(stage: Stage, run: Path) -> None:
    import torch

    torch.manual_seed(0)
    config = {**CONFIGS.get(stage.name, {}), "pretrained": "never"}
    note = {
        "stage": stage.name,
        "network": config,
        "temperature": None,
        "training": {"seed": 7, "steps": 0},
        "metrics": {"pairs": 0, "validation": {"faces": 2, "groups": 1, "logit": {"auc": 0.5, "interval": [0.4, 0.6]}}},
    }
    networks.save(networks.create(stage.name, **config), run / stage.name, note)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_crops(tmp_path_factory.mktemp("crops") / "crops", people=15)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, crops: Path) -> Path:
    run = tmp_path_factory.mktemp("run")
    for stage in NETWORKS:
        save_stage(stage, run)
    result = CliRunner().invoke(app, ["finish", str(run), "--crops", str(crops), "--draws", "2"])
    assert result.exit_code == 0, result.output
    return run


def test_one_command_leaves_everything_that_export_needs(finished: Path) -> None:
    for name in ("trees.txt", "policy.json", "deferral.csv", "reliability.png", "stacking.json", "calibration.json"):
        assert (finished / name).stat().st_size
    table = pd.read_parquet(finished / LOGITS_FILE)
    assert len(table) == 10 * 2 * 2 and np.isfinite(table[list(FEATURES)].to_numpy()).all()
    hashes = {stage.name: file_sha256(finished / f"{stage.name}.safetensors") for stage in NETWORKS}
    hashes["meta_model"] = file_sha256(finished / "trees.txt")
    policy = Policy.load(finished / "policy.json", hashes)
    # Networks that learnt nothing prove nothing: no face may leave as real for certain.
    assert policy.leakage.upper_95 <= policy.leakage.target or policy.real_below == 0.0
    assert "10 people in squares" in policy.data


def test_loaded_stages_carry_the_fitted_temperatures_and_scoring_does_not_apply_them_twice(finished: Path) -> None:
    import torch

    report = json.loads((finished / "calibration.json").read_text())
    note = json.loads((finished / "genconvit.json").read_text())
    temperatures = np.array([report[name]["temperature"] for name in LOGITS[2:]])
    assert note["temperature"] == temperatures.tolist()
    face = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), np.uint8)
    bare = trained_scorers(finished)[GENCONVIT](face)["logit"]
    with torch.inference_mode():
        calibrated = networks.load(finished / "genconvit")(torch.from_numpy(face))["logit"].numpy()
    np.testing.assert_allclose(calibrated * temperatures, bare, rtol=1e-4)


def test_cards_say_what_the_files_say(finished: Path, crops: Path, tmp_path: Path) -> None:
    texts = {path.parent.name: path.read_text() for path in write_cards(finished, crops)}
    assert texts.keys() == {"fast_filter", "efficientnet", "genconvit", "meta_model", "cascade"}
    assert file_sha256(finished / "fast_filter.safetensors") in texts["fast_filter"]
    assert "| seed | `7` |" in texts["efficientnet"] and "0.400 to 0.600" in texts["efficientnet"]
    policy = json.loads((finished / "policy.json").read_text())
    assert policy["data"] in texts["cascade"] and policy["models"]["meta_model"] in texts["cascade"]
    stacking = json.loads((finished / "stacking.json").read_text())
    assert f"{stacking['splits']['validation']['meta_model']['auc']:.3f}" in texts["meta_model"]
    assert "not shown to be better than the plain mean" in texts["meta_model"]
    changed = json.loads((finished / "fast_filter.json").read_text())
    changed["metrics"]["validation"]["logit"]["auc"] = 0.987
    shutil.copytree(finished, finished / "copy", ignore=shutil.ignore_patterns("copy"))
    (finished / "copy" / "fast_filter.json").write_text(json.dumps(changed))
    cards = write_cards(finished / "copy", crops, tmp_path)
    assert cards[0] == tmp_path / "fast_filter" / "README.md" and "0.987" in cards[0].read_text()
    assert "licence not recorded" in cards[0].read_text()


def test_the_policy_is_chosen_again_on_the_served_models(finished: Path, crops: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with pytest.raises(ModelError, match=r"fast_filter\.onnx; export it"):
        finish.choose_policy(run, crops, draws=2)
    tiny_repository.build(run / finish.SERVED)
    policy = finish.choose_policy(run, crops, draws=2)
    served = {stage.name: run / finish.SERVED / stage.name / "1" / stage.file for stage in NETWORKS}
    for name, path in served.items():
        assert policy.models[name] == file_sha256(path)
    assert policy.models["meta_model"] == file_sha256(run / finish.SERVED / "meta_model" / "1" / "trees.c")
    # The tiny graphs speak of colours; the table that thresholds rest on must be theirs.
    scores = pd.read_parquet(run / "served_logits.parquet")
    assert not np.allclose(scores["fast_filter_logit"], pd.read_parquet(run / LOGITS_FILE)["fast_filter_logit"])


def test_trees_of_other_logits_are_refused(finished: Path, crops: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    make_table(30).to_parquet(run / LOGITS_FILE)
    with pytest.raises(DataError, match="not the trees of these logits"):
        finish.choose_policy(run, crops, served=False)


def test_missing_steps_are_named(tmp_path: Path, crops: Path) -> None:
    with pytest.raises(ModelError, match=r"fast_filter\.safetensors: missing"):
        finish.score(tmp_path, crops)
    with pytest.raises(DataError, match="training logits"):
        finish.calibrate(tmp_path)
    make_table(30).to_parquet(tmp_path / LOGITS_FILE)
    with pytest.raises(DataError, match="training calibrate"):
        finish.stack(tmp_path)
    with pytest.raises(DataError, match="nothing to describe"):
        write_cards(tmp_path, crops)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_explains_itself(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0 and "Usage" in result.output


def test_manifest_command(tmp_path: Path) -> None:
    for name in ("real/a/1.jpg", "real/b/1.jpg", "fake/swap/a/1.jpg", "fake/swap/b/1.jpg"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).touch()
    arguments = ["folder", str(tmp_path / "set"), "--out", str(tmp_path / "m.parquet"), "--base", str(tmp_path)]
    result = CliRunner().invoke(app, ["manifest", *arguments])
    assert result.exit_code == 0, result.output
    rows = pd.read_parquet(tmp_path / "m.parquet")
    assert rows["path"].tolist()[0] == "set/fake/swap/a/1.jpg" and rows["label"].tolist() == [1, 1, 0, 0]
    assert not (rows["split"] == "").any()
    for wrong in (["df40", str(tmp_path)], ["table", str(tmp_path)], ["nothing", str(tmp_path)]):
        failed = CliRunner().invoke(app, ["manifest", *wrong, "--out", str(tmp_path / "n.parquet")])
        assert isinstance(failed.exception, AwareNetError)
    elsewhere = [*arguments[:-1], str(tmp_path / "set" / "real")]
    assert "does not lie below" in str(CliRunner().invoke(app, ["manifest", *elsewhere]).exception)


def test_manifest_command_joins_the_reals_of_df40_once(tmp_path: Path) -> None:
    make_faceforensics(tmp_path / "ff")
    touch(tmp_path / "df40", "fsgan/ff/frames/071_054/000.png")
    base = ["--base", str(tmp_path)]
    reals, out = tmp_path / "ff.parquet", tmp_path / "df40.parquet"
    for kind, target, more in (("faceforensics", reals, []), ("df40", out, ["--reals", str(reals)])):
        root = tmp_path / ("ff" if kind == "faceforensics" else kind)
        result = CliRunner().invoke(app, ["manifest", kind, str(root), "--out", str(target), *base, *more])
        assert result.exit_code == 0, result.output
    rows = pd.read_parquet(out)
    assert all((tmp_path / path).is_file() for path in rows["path"])
    assert len(rows) == 9 and rows["label"].sum() == 1


@pytest.mark.slow
def test_out_of_fold_by_the_real_trainer(tmp_path: Path) -> None:
    crops = make_crops(tmp_path / "crops", people=4)
    schedule: dict[str, float] = {"steps": 2, "window_share": 0.0, "pairs": 2}
    (tmp_path / "configs").mkdir()
    for stage in NETWORKS:
        config: dict[str, object] = {
            "stage": stage.name,
            "network": {**CONFIGS.get(stage.name, {}), "pretrained": "never"},
        }
        config |= {"precision": "32-true", "schedule": schedule, "draws": 1}
        (tmp_path / "configs" / f"{stage.name}.yaml").write_text(json.dumps(config))
    folds = group_folds([f"person{number}" for number in range(4)], 2, seed=0)
    scores = out_of_fold(crops, folds, train_with(tmp_path / "configs"), tmp_path / "work", draws=1)
    assert len(scores) == 4 * 2 and (scores["fold"] == scores["group"].map(folds)).all()
    assert np.isfinite(scores[list(FEATURES)].to_numpy()).all()
    # Two folds are two sets of weights.
    first, second = (tmp_path / "work" / f"fold{fold}" / "fast_filter.safetensors" for fold in (0, 1))
    assert file_sha256(first) != file_sha256(second)
