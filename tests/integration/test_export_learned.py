"""Weights that learned to be rounded, as a graph: the contract, what is computed in integers, and when it is served."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="the export extra is not installed")

from awarenet.models.tensorrt import float_graph  # noqa: E402
from awarenet.policy import file_sha256  # noqa: E402
from awarenet.repository import model_path  # noqa: E402
from awarenet.stages import FACE, FAST_FILTER  # noqa: E402
from benchmarks import quantization  # noqa: E402
from export import __main__ as commands  # noqa: E402
from export.difference import Difference  # noqa: E402
from export.int8 import Trial, better, quantise  # noqa: E402
from export.onnx import export_onnx  # noqa: E402
from export.samples import Samples  # noqa: E402
from export.tensorrt import problems  # noqa: E402
from tests import tiny_crops  # noqa: E402
from tests.export_samples import ANYTHING, light_and_dark  # noqa: E402
from training import networks, quantize  # noqa: E402
from training.fake_quantisation import prepare  # noqa: E402


@pytest.fixture(scope="module")
def samples() -> Samples:
    return light_and_dark()


def trial(*, kept: Sequence[str] = (), flips: float = 0.0, auc_loss: float = 0.0, size: int = 25) -> Trial:
    return Trial(tuple(kept), Difference(100, 0.0, 0.0, {}, auc_loss, flips, {}), size)


@pytest.fixture(scope="module", params=["mobilenetv4_conv_small_035", "tf_efficientnet_lite0"])
def run(request: pytest.FixtureRequest, samples: Samples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a stage and its student, which has seen a few faces and learned nothing."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    config = {"architecture": request.param, "resolution": 96, "pretrained": "never"}
    network = networks.create("fast_filter", **config).eval()
    stem = folder / "fast_filter"
    networks.save(network, stem, {"stage": "fast_filter", "network": config, "temperature": [0.5]})
    prepared = prepare(network)
    with torch.no_grad():
        prepared(torch.from_numpy(samples.faces))
    note = {"teacher": file_sha256(stem.with_suffix(".safetensors"))}
    networks.save(prepared, folder / quantize.FOLDER / "fast_filter", note)
    return folder


@pytest.fixture(scope="module")
def graph(run: Path) -> Path:
    return export_onnx(
        networks.load(run / "fast_filter"), FAST_FILTER, model_path(run / "export" / "float", FAST_FILTER)
    )


@pytest.fixture(scope="module")
def learned(run: Path) -> Path:
    return export_onnx(quantize.load(run, "fast_filter"), FAST_FILTER, run / "learned.onnx")


def integer_operators(model: Path) -> Counter[str]:
    """What ONNX Runtime makes of the layers, sums and roundings of a graph."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(model.with_suffix(".optimised"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)
    return Counter({kind: kinds[kind] for kind in ("QLinearConv", "QLinearAdd", "Conv", "FusedConv", "Gemm")})


def test_onnx_runtime_computes_in_integers_what_it_does_after_its_own_quantiser(
    graph: Path, learned: Path, samples: Samples
) -> None:
    own = graph.with_name("own.onnx")
    quantise(graph, own, FAST_FILTER, samples.faces, samples, tolerance=ANYTHING, blocks=1)
    expected = integer_operators(own)
    assert expected["QLinearConv"] > 20 and expected["QLinearAdd"] > 5
    assert integer_operators(learned) == expected
    assert learned.stat().st_size < 1.02 * own.stat().st_size


@pytest.mark.parametrize("size", [1, 5])
def test_the_graph_says_what_the_converted_network_says(run: Path, learned: Path, samples: Samples, size: int) -> None:
    with torch.inference_mode():
        expected = quantize.load(run, "fast_filter")(torch.from_numpy(samples.faces))["logit"].numpy()
    options = onnxruntime.SessionOptions()
    # As it is written; integers instead of rounded floats fall on the other side of a step now and then.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(learned), options, ["CPUExecutionProvider"])
    batches = [samples.faces[start : start + size] for start in range(0, len(samples.faces), size)]
    found = np.concatenate([session.run(["logit"], {FACE.name: batch})[0] for batch in batches])
    apart = np.abs(found - expected) / expected.std()
    assert np.median(apart) < 0.02
    # Where a value lies on the edge of a step, one falls to the other side.
    assert (apart < 0.3).mean() > 0.9


def test_tensorrt_is_given_its_floats(learned: Path, samples: Samples) -> None:
    floats = float_graph(onnx.load(learned))
    assert not {"QuantizeLinear", "DequantizeLinear"} & {node.op_type for node in floats.graph.node}
    assert problems(floats) == []


def test_the_better_form_is_served_and_weights_of_another_stage_are_left_out(
    run: Path, graph: Path, tmp_path: Path
) -> None:
    tiny_crops.build(tmp_path)
    note = run / "export" / "int8-fast_filter.json"
    weights = run / "fast_filter.safetensors"
    earlier = {"weights": file_sha256(weights), "shrinks": {"1.0": 0.0}, "chosen": {"kept": []}, "sensitivity": {}}
    note.write_text(json.dumps(earlier))

    def served() -> str:
        with suppress(commands.typer.Exit):  # Nobody asks a network without training for good decisions.
            commands.int8(run, tmp_path, 8, ["fast_filter"])
        form: str = json.loads(note.read_text())["served"]
        chosen = model_path(run / "export" / form, FAST_FILTER)
        assert model_path(run / "export" / "served", FAST_FILTER).read_bytes() == chosen.read_bytes()
        return form

    served()
    report = json.loads(note.read_text())
    trials = [trial(**{key: report[name][key] for key in trial.__kwdefaults__}) for name in ("learned", "chosen")]
    assert (report["served"] == "learned") == better(*trials, report["float_size"])
    figures = quantization.measure(run, tmp_path, faces=8, seconds=0.1, say=str)["stages"]["fast_filter"]
    assert [form for form, entry in figures.items() if entry["served"]] == [report["served"]]
    assert figures["learned"]["flips"] == report["learned"]["flips"]
    assert figures["fp32"]["speed_1"] == figures["fp32"]["share"] == 1
    assert all(entry["memory_mb"] > 1 for entry in figures.values())

    student = run / quantize.FOLDER / "fast_filter.json"
    kept = student.read_text()
    student.write_text(json.dumps({"teacher": "another"}))
    try:
        assert served() == "rounded"
        assert not model_path(run / "export" / "learned", FAST_FILTER).exists()
    finally:
        student.write_text(kept)


@pytest.mark.parametrize(
    ("learned", "rounded", "wins"),
    [
        (trial(), trial(), False),
        (trial(flips=0.01), trial(kept=("a",)), True),
        (trial(flips=0.02), trial(kept=("a",), flips=0.01), False),
        (trial(flips=0.02), trial(kept=("a",), flips=0.03), True),
        (trial(size=29), trial(kept=("a",), flips=0.01), False),
        (trial(auc_loss=0.006), trial(kept=("a",), flips=0.01), False),
    ],
    ids=["alike", "less in float", "flips too many", "flips the fewer of too many", "too large", "ranks worse"],
)
def test_learned_weights_are_served_where_the_gate_says_so(learned: Trial, rounded: Trial, wins: bool) -> None:
    assert better(learned, rounded, 100) == wins
