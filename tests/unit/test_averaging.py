"""Averages of weights: between both, of one network alone, and told in the note."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from awarenet.errors import InvalidInput, ModelError
from tests import tiny_crops
from training import networks
from training.averaging import average

NETWORK = {"architecture": "mobilenetv4_conv_small_035", "pretrained": "never"}


def save(stem: Path, seed: int, network: dict[str, str] = NETWORK) -> Path:
    torch.manual_seed(seed)
    note = {"stage": "fast_filter", "network": network, "temperature": [2.0], "metrics": {"pairs": 10 * seed}}
    networks.save(networks.create("fast_filter", **network), stem, note)
    return stem


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    tiny_crops.build(folder, people=8)
    return folder


def test_the_average_lies_between_both_and_says_whose_it_is(tmp_path: Path, crops: Path) -> None:
    earlier, later = save(tmp_path / "before/fast_filter", 1), save(tmp_path / "after/fast_filter", 2)
    figures = average(earlier, later, tmp_path / "run", crops, share=0.25)
    one, other, mixed = (
        load_file(stem.with_suffix(".safetensors")) for stem in (earlier, later, tmp_path / "run/fast_filter")
    )
    for name, tensor in mixed.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, 0.75 * one[name] + 0.25 * other[name])
        else:
            assert torch.equal(tensor, other[name])
    note = json.loads((tmp_path / "run/fast_filter.json").read_text(encoding="utf-8"))
    assert note["averaged"]["share"] == 0.25 and note["averaged"]["earlier"] != note["averaged"]["later"]
    assert note["temperature"] is None, "the old temperature is not the new network's"
    assert (
        note["metrics"]["pairs"] == 20
        and note["metrics"]["validation"] == json.loads(json.dumps(figures))["validation"]
    )
    assert 0 <= figures["validation"]["logit"]["auc"] <= 1


def test_what_makes_no_sense_is_refused(tmp_path: Path, crops: Path) -> None:
    stem = save(tmp_path / "fast_filter", 1)
    other = save(tmp_path / "other/fast_filter", 1, {"architecture": "mobilenetv4_conv_small", "pretrained": "never"})
    with pytest.raises(InvalidInput, match=r"share.*1\.5"):
        average(stem, stem, tmp_path / "run", crops, share=1.5)
    with pytest.raises(ModelError, match="not the same network"):
        average(stem, other, tmp_path / "run", crops, share=0.5)
    with pytest.raises(ModelError, match="training train"):
        average(tmp_path / "absent", stem, tmp_path / "run", crops, share=0.5)
    assert not (tmp_path / "run").exists()
