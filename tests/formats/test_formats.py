"""Small networks with random weights to TFLite and ExecuTorch, run by their own runtimes; see `make test-formats`."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("litert_torch", reason="TFLite's packages have an environment of their own: make test-formats")
pytest.importorskip("executorch", reason="ExecuTorch's packages have an environment of their own: make test-formats")

import torch

from awarenet.errors import ModelError
from awarenet.stages import FAST_FILTER, GENCONVIT, Stage
from export.difference import compare_outputs
from export.formats import FORMATS, Format, build, open_format, score
from export.inference import Outputs
from export.onnx import export_onnx
from export.samples import Samples
from tests import tiny_crops
from training.networks import create, load, save
from training.networks.preprocessing import Preprocessing


class Tiny(torch.nn.Module):
    """A few layers of every kind, between the bytes of a face and one logit."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        widths = [3, 16, 32, 64, 128]
        layers: list[torch.nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers += [torch.nn.Conv2d(inputs, inputs, 3, 2, 1, groups=inputs), torch.nn.Conv2d(inputs, outputs, 1)]
            layers += [torch.nn.BatchNorm2d(outputs), torch.nn.ReLU()]
        self.preprocessing = Preprocessing(64)
        self.layers = torch.nn.Sequential(*layers)
        self.classify = torch.nn.Linear(widths[-1], 1)

    def forward(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logit": self.classify(self.layers(self.preprocessing(faces)).mean((2, 3)))}


def hybrid() -> torch.nn.Module:
    """A small GenConViT."""
    torch.manual_seed(0)
    return create(
        GENCONVIT.name,
        pretrained="never",
        convnext_options={"depths": [1, 1, 1, 1], "dims": [8, 16, 16, 16]},
        resolution=128,
        swin_width=16,
        swin_heads=2,
        swin_window=2,
        swin_blocks=2,
        reconstruction_width=8,
    )


NETWORKS: dict[Stage, Callable[[], torch.nn.Module]] = {FAST_FILTER: Tiny, GENCONVIT: hybrid}


@pytest.fixture(scope="module", params=FORMATS)
def form(request: pytest.FixtureRequest) -> Format:
    return open_format(request.param)


@pytest.fixture(scope="module")
def samples() -> Samples:
    """Smooth pictures in two classes, light and dark."""
    coarse = np.random.default_rng(0).integers(0, 120, (8, 8, 8, 3))
    coarse[::2] += 110
    faces = coarse.repeat(32, axis=1).repeat(32, axis=2).astype(np.uint8)
    return Samples(faces, np.arange(8).astype(np.int8) % 2, np.full(8, "squares"))


def scores(network: torch.nn.Module, samples: Samples) -> Outputs:
    with torch.inference_mode():
        return {name: value.numpy() for name, value in network(torch.from_numpy(samples.faces)).items()}


@pytest.mark.parametrize("stage", NETWORKS, ids=lambda stage: stage.name)
def test_floats_equal_pytorch_and_int8_is_near_and_smaller(
    form: Format, stage: Stage, samples: Samples, tmp_path: Path
) -> None:
    network = NETWORKS[stage]().eval()
    reference = scores(network, samples)
    files = (tmp_path / f"float{form.SUFFIX}", tmp_path / f"int8{form.SUFFIX}")
    kept = ["layers 1 of 3"]
    floats, *others = build(form, network, stage, files, samples.faces, samples, reference, kept)
    assert floats.gate.passed
    assert {path.name for path in tmp_path.iterdir()} == {file.name for file in files}
    (taken,) = (one for one in others if one.file)
    found = score(form.load(files[1], stage, threads=1), stage, samples.faces)
    difference = compare_outputs(reference, found, samples.labels, samples.subsets)
    assert difference.max_score == pytest.approx(taken.gate.difference.max_score, abs=1e-3)
    assert 0 < difference.max_score < 1
    assert taken.size < floats.size


def test_every_form_of_int8_is_near(form: Format, samples: Samples, tmp_path: Path) -> None:
    network = Tiny().eval()
    reference = scores(network, samples)["logit"]
    translated = form.translate(network, FAST_FILTER)
    (tmp_path / "float").write_bytes(translated)
    found = score(form.load(tmp_path / "float", FAST_FILTER, threads=1), FAST_FILTER, samples.faces)["logit"]
    np.testing.assert_allclose(found, reference, atol=1e-3)
    forms = list(form.quantise(network, FAST_FILTER, translated, samples.faces, ["layers 2 of 2"]))
    assert [name for name, _ in forms][:2] == ["static", "static, 1 groups kept"]
    for name, content in forms:
        (tmp_path / name).write_bytes(content)
        found = score(form.load(tmp_path / name, FAST_FILTER, threads=1), FAST_FILTER, samples.faces)["logit"]
        assert 0 < np.abs(found - reference).max() < 0.1, name
    assert len({content for _, content in forms}) == len(forms)
    assert len(forms[0][1]) < 0.8 * len(translated)


class Odd(torch.nn.Module):
    """A network with an operator that only eager PyTorch has."""

    def forward(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logit": torch.special.bessel_j0(faces.float().mean((1, 2, 3))[:, None])}


def test_an_operator_without_translation_is_named(form: Format, samples: Samples, tmp_path: Path) -> None:
    files = (tmp_path / "float", tmp_path / "int8")
    with pytest.raises(ModelError, match=f"fast_filter, {form.NAME}: operator aten.special_bessel_j0.default has no"):
        build(form, Odd().eval(), FAST_FILTER, files, samples.faces, samples, {}, ())


def test_a_damaged_file_and_another_stages_are_refused(form: Format, samples: Samples, tmp_path: Path) -> None:
    file = tmp_path / f"model{form.SUFFIX}"
    file.write_bytes(b"nothing of the kind" * 10)
    with pytest.raises(ModelError, match="cannot load it"):
        form.load(file, FAST_FILTER, threads=1)
    file.write_bytes(form.translate(Tiny().eval(), FAST_FILTER))
    with pytest.raises(ModelError):
        score(form.load(file, GENCONVIT, threads=1), GENCONVIT, samples.faces[:1])


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_the_command_writes_builds_and_a_report(name: str, tmp_path: Path) -> None:
    tiny_crops.build(tmp_path / "crops", people=24)
    config = {"architecture": "mobilenetv4_conv_small", "resolution": 64}
    network = create(FAST_FILTER.name, **config, pretrained="never")
    save(network, tmp_path / FAST_FILTER.name, {"stage": FAST_FILTER.name, "network": config})
    export_onnx(load(tmp_path / FAST_FILTER.name), FAST_FILTER, tmp_path / "export/float/fast_filter/1/model.onnx")
    command = [sys.executable, "-m", "export", name, str(tmp_path), "--crops", str(tmp_path / "crops")]
    done = subprocess.run(
        [*command, "--stage", FAST_FILTER.name, "--faces", "4"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode in (0, 1), done.stderr
    assert ("over the tolerance" in done.stdout) is bool(done.returncode), "four faces flip easily"
    suffix = open_format(name).SUFFIX
    for kind in ("float", "int8"):
        assert (tmp_path / "export" / name / kind / "fast_filter/1" / f"model{suffix}").is_file()
    assert (tmp_path / "export" / name / "report.json").is_file()
