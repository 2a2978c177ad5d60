"""Quantisation-aware training: where rounding lies, that gradients pass it, and what a run leaves behind."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from awarenet.errors import ModelError
from tests import tiny_crops
from training import networks, quantize
from training.fake_quantisation import Captured, convert, hold_ranges, prepare
from training.networks.stage_network import StageNetwork
from training.quantize import QuantizeConfig

TINY = {"architecture": "mobilenetv4_conv_small_035", "resolution": 64, "pretrained": "never"}
BRIEF = QuantizeConfig(steps=3, pairs=2, draws=1)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network() -> StageNetwork:
    torch.manual_seed(0)
    return networks.create("fast_filter", **TINY).eval()


@pytest.fixture(scope="module")
def captured(network: StageNetwork) -> Captured:
    return prepare(network)


@pytest.fixture
def prepared(captured: Captured) -> Captured:
    return copy.deepcopy(captured)


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8, generator=generator)
    return coarse.repeat_interleave(32, 1).repeat_interleave(32, 2)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    tiny_crops.build(folder)
    return folder


@pytest.fixture(scope="module")
def finished(network: StageNetwork, crops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder in which a stage has been quantised."""
    torch.set_num_threads(1)
    run = tmp_path_factory.mktemp("run")
    networks.save(network, run / "fast_filter", {"stage": "fast_filter", "network": TINY, "temperature": [2.0]})
    quantize.quantize(BRIEF, "fast_filter", crops, run, workers=0)
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_gradients_reach_every_weight_through_the_rounding(
    network: StageNetwork, prepared: Captured, faces: torch.Tensor
) -> None:
    logit = prepared(faces)["logit"]
    assert not torch.equal(logit, network(faces)["logit"]), "nothing was rounded"
    logit.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in prepared.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None or not gradient.any()] == []
    layers = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)]
    assert {f"graph.network.{name}.weight" for name in layers} <= gradients.keys()
    assert all(parameter.grad is None for parameter in network.parameters()), "the teacher is a copy"


def test_all_inner_layers_are_bytes_and_the_first_and_the_last_are_not(
    network: StageNetwork, prepared: Captured, faces: torch.Tensor
) -> None:
    prepared(faces)
    stored = [tensor for tensor in convert(prepared).state_dict().values() if tensor.ndim > 1]
    inner = [tensor for tensor in stored if tensor.dtype == torch.int8]
    layers = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(inner) == len(layers) - 2
    assert all(tensor.flatten(1).abs().amax(1).eq(127).all() for tensor in inner), "each channel has its own scale"


def test_ranges_follow_what_is_seen_until_they_are_held(prepared: Captured, faces: torch.Tensor) -> None:
    def ranges() -> torch.Tensor:
        return torch.cat([value.flatten() for name, value in prepared.named_buffers() if name.endswith(".scale")])

    prepared(faces // 4)
    first = ranges()
    prepared(faces)
    second = ranges()
    assert not torch.equal(first, second)
    hold_ranges(prepared)
    prepared(255 - faces)
    assert torch.equal(second, ranges())


def test_a_student_comes_closer_to_what_its_teacher_says(
    network: StageNetwork, prepared: Captured, faces: torch.Tensor
) -> None:
    with torch.no_grad():
        taught = network(faces)
    taught = {"logit": taught["logit"] + 1}  # Rounding alone moves so small a network by little.
    optimizer = torch.optim.Adam(prepared.parameters(), lr=3e-3)
    apart = []
    for _ in range(6):
        outputs = prepared(faces)
        losses = quantize.losses_of(outputs, taught, torch.zeros(4), replace(BRIEF, soft=1.0))
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        apart.append((outputs["logit"] - taught["logit"]).abs().mean().item())
    assert apart[-1] < 0.8 * apart[0]


def test_the_loss_is_shared_between_label_and_teacher_and_further_outputs_stay_what_they_are() -> None:
    outputs = {"logit": torch.tensor([[0.0], [0.0]]), "residual": torch.tensor([[0.1], [0.3]])}
    taught = {"logit": torch.tensor([[0.0], [0.0]]), "residual": torch.tensor([[0.1], [0.3]])}
    chance = torch.tensor(2.0).log()
    losses = quantize.losses_of(outputs, taught, torch.tensor([0.0, 1.0]), QuantizeConfig())
    torch.testing.assert_close(losses["hard"], 0.3 * chance)
    torch.testing.assert_close(losses["soft"], 0.7 * 16 * chance)
    assert losses["residual"] == 0
    moved = {**outputs, "residual": torch.tensor([[0.2], [0.4]])}
    torch.testing.assert_close(
        quantize.losses_of(moved, taught, torch.tensor([0.0, 1.0]), QuantizeConfig())["residual"], torch.tensor(0.5)
    )


def test_a_run_ends_in_an_int8_network_with_the_temperature_of_today(run: Path) -> None:
    figures = json.loads((run / quantize.FOLDER / "fast_filter.json").read_text())["metrics"]
    assert figures["pairs"] == BRIEF.steps * BRIEF.pairs
    assert 0 <= figures["validation"]["flips"] <= 1
    note = run / "fast_filter.json"
    note.write_text(note.read_text().replace("2.0", "4.0"))
    loaded: Any = quantize.load(run, "fast_filter")
    assert loaded.inverse.tolist() == [[0.25]]
    assert any(tensor.dtype == torch.int8 for tensor in loaded.state_dict().values())


def test_a_run_that_is_killed_leaves_what_was_there(run: Path, crops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = {path: path.read_bytes() for path in (run / quantize.FOLDER).iterdir()}

    def killed(*arguments: Any) -> dict[str, torch.Tensor]:
        raise KeyboardInterrupt

    monkeypatch.setattr(quantize, "compared", killed)
    with pytest.raises(KeyboardInterrupt):
        quantize.quantize(replace(BRIEF, steps=1), "fast_filter", crops, run, workers=0)
    assert {path: path.read_bytes() for path in (run / quantize.FOLDER).iterdir()} == earlier


def test_weights_that_learned_from_another_stage_are_not_taken(run: Path) -> None:
    assert quantize.trained_for(run, "fast_filter")
    with (run / "fast_filter.safetensors").open("ab") as weights:
        weights.write(b" ")
    assert not quantize.trained_for(run, "fast_filter")
    with pytest.raises(ModelError, match="as it is now"):
        quantize.load(run, "fast_filter")


def test_a_loss_that_is_no_number_stops_the_run(run: Path, crops: Path) -> None:
    with pytest.raises(ModelError, match="step 0"):
        quantize.quantize(replace(BRIEF, soft=float("nan"), seed=2), "fast_filter", crops, run, workers=0)
    note = json.loads((run / quantize.FOLDER / "fast_filter.json").read_text())
    assert note["training"]["seed"] == BRIEF.seed, "what was there stays"
