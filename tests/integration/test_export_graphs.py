"""PyTorch to ONNX to INT8 on a small network with random weights: the same function, in the contract's form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="the export extra is not installed")

from awarenet.errors import DataError, ModelError  # noqa: E402
from awarenet.stages import FAST_FILTER, GENCONVIT  # noqa: E402
from export import int8  # noqa: E402
from export.difference import TRANSLATED, compare_outputs  # noqa: E402
from export.inference import run_graph  # noqa: E402
from export.int8 import WEIGHTED, Int8Report, quantise  # noqa: E402
from export.onnx import export_onnx  # noqa: E402
from export.samples import Samples  # noqa: E402
from tests.export_samples import ANYTHING, light_and_dark  # noqa: E402
from training.layers import inner_nodes  # noqa: E402
from training.networks.classifier import Classifier  # noqa: E402


@pytest.fixture(scope="module")
def samples() -> Samples:
    return light_and_dark()


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return Classifier("mobilenetv4_conv_small", resolution=96, pretrained="never").eval()


@pytest.fixture(scope="module")
def graph(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(network, FAST_FILTER, tmp_path_factory.mktemp("onnx") / "model.onnx")


def scores(network: torch.nn.Module, faces: np.ndarray) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        return {name: value.numpy() for name, value in network(torch.from_numpy(faces)).items()}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_onnx_equals_torch_at_any_batch_size(
    network: torch.nn.Module, graph: Path, samples: Samples, count: int
) -> None:
    faces = samples.faces[:count]
    np.testing.assert_allclose(run_graph(graph, faces)["logit"], scores(network, faces)["logit"], atol=1e-4)


def test_the_gate_passes_onnx_and_stops_another_network(graph: Path, samples: Samples) -> None:
    outputs = run_graph(graph, samples.faces)
    assert compare_outputs(outputs, outputs, samples.labels, samples.subsets).within(TRANSLATED)
    other = {"logit": -outputs["logit"]}
    assert not compare_outputs(outputs, other, samples.labels, samples.subsets).within(TRANSLATED)


def test_the_batch_axis_is_named_and_nothing_of_this_machine_is_inside(graph: Path) -> None:
    model = onnx.load(graph)
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert str(Path(__file__).parents[2]).encode() not in graph.read_bytes()
    assert b"stack_trace" not in graph.read_bytes()


def test_an_operator_without_translation_is_named(tmp_path: Path) -> None:
    class Odd(torch.nn.Module):
        def forward(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logit": torch.special.bessel_j0(faces.float().mean((1, 2, 3))[:, None])}

    with pytest.raises(ModelError, match="bessel_j0 has no ONNX"):
        export_onnx(Odd().eval(), FAST_FILTER, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_a_network_of_another_stage_or_in_training_mode_is_refused(network: torch.nn.Module, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no output residual"):
        export_onnx(network, GENCONVIT, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="training mode"):
        export_onnx(Classifier("mobilenetv4_conv_small", pretrained="never"), FAST_FILTER, tmp_path / "model.onnx")


@pytest.fixture(scope="module")
def quantised(graph: Path, samples: Samples) -> tuple[Path, Int8Report]:
    out = graph.with_name("int8.onnx")
    return out, quantise(graph, out, FAST_FILTER, samples.faces, samples, tolerance=ANYTHING)


def test_int8_is_small_and_keeps_bytes_and_logit_in_float(quantised: tuple[Path, Int8Report]) -> None:
    path, report = quantised
    assert report.accepted
    assert report.shrink == min(report.shrinks, key=lambda share: report.shrinks[share])
    assert report.chosen.size < 0.3 * report.float_size
    model = onnx.load(path)
    producers = {name: node for node in model.graph.node for name in node.output}
    assert producers["logit"].op_type not in ("QuantizeLinear", "DequantizeLinear")
    layers = [node for node in model.graph.node if node.op_type == "Conv"]
    integer = [producers[node.input[1]].op_type == "DequantizeLinear" for node in layers if node.input[1] in producers]
    assert len(integer) == len(layers) - 1, "all but the first layer"
    assert all(integer)


def test_groups_are_kept_in_float_until_the_tolerance_is_met(
    graph: Path, samples: Samples, quantised: tuple[Path, Int8Report], tmp_path: Path
) -> None:
    goal = replace(ANYTHING, score=0.9 * quantised[1].chosen.difference.max_score)
    report = quantise(graph, tmp_path / "b.onnx", FAST_FILTER, samples.faces, samples, tolerance=goal, blocks=3)
    assert report.accepted
    assert report.chosen.kept
    assert report.chosen.size < 0.3 * report.float_size, "weights are bytes in float layers, too"
    measured = compare_outputs(
        run_graph(graph, samples.faces),
        run_graph(tmp_path / "b.onnx", samples.faces),
        samples.labels,
        samples.subsets,
    )
    assert measured == report.chosen.difference


@pytest.mark.parametrize(("near", "kept"), [(1e6, 1), (0.0, 3)])
def test_where_rounded_weights_miss_the_tolerance_floats_are_kept_for_what_they_mend(
    graph: Path, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, near: float, kept: int
) -> None:
    monkeypatch.setattr(int8, "NEAR_LEAST", near)
    nothing = replace(ANYTHING, score=0.0)
    report = quantise(graph, tmp_path / "d.onnx", FAST_FILTER, samples.faces, samples, tolerance=nothing, blocks=3)
    assert not report.accepted
    assert len(report.chosen.kept) == kept


def test_a_choice_made_before_is_taken_over(
    graph: Path, samples: Samples, quantised: tuple[Path, Int8Report], tmp_path: Path
) -> None:
    path, report = quantised
    earlier = json.loads(json.dumps(report.to_dict()))
    again = quantise(graph, tmp_path / "c.onnx", FAST_FILTER, samples.faces, samples, earlier=earlier)
    assert again.shrink == report.shrink
    assert again.chosen.kept == report.chosen.kept
    first, second = (run_graph(file, samples.faces)["logit"] for file in (path, tmp_path / "c.onnx"))
    np.testing.assert_array_equal(first, second)


def test_inner_nodes_are_those_between_the_first_and_the_last_layer(graph: Path) -> None:
    nodes = inner_nodes(onnx.load(graph).graph.node, WEIGHTED)
    assert nodes[0].op_type == "Relu"
    assert "logit" not in {name for node in nodes for name in node.output}
    assert not {"Cast", "Resize"} & {node.op_type for node in nodes}


def test_samples_without_a_crop_cache_say_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no crop cache"):
        Samples.of(tmp_path, "validation", limit=4)
