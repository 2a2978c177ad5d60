"""What TensorRT is given, and what is known about it without a GPU: no plan is built here."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from awarenet.errors import ConfigurationError, ModelError
from awarenet.models.tensorrt import Machine, build_plan, float_graph, trtexec_options
from awarenet.stages import FAST_FILTER, MAX_BATCH
from export.inference import run_graph
from export.tensorrt import known_operators, problems


def model(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], batch: str | int = "batch") -> onnx.ModelProto:
    """A graph from `face` to `logit`."""
    face = helper.make_tensor_value_info("face", TensorProto.UINT8, [batch, 256, 256, 3])
    logit = helper.make_tensor_value_info("logit", TensorProto.FLOAT, [batch, 1])
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", [face], [logit], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def quantised() -> onnx.ModelProto:
    """Bytes to channels first, their mean quantised with unsigned activations, a quantised layer, a float layer."""
    nodes = [
        helper.make_node("Transpose", ["face"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("QuantizeLinear", ["mean", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["mean_q"]),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w_float"], axis=1),
        helper.make_node("MatMul", ["mean_q", "w_float"], ["hidden"]),
        helper.make_node("QuantizeLinear", ["hidden", "scale", "zero"], ["h"]),
        helper.make_node("DequantizeLinear", ["h", "scale", "zero"], ["hidden_q"]),
        helper.make_node("ReduceSum", ["hidden_q", "one"], ["logit"], keepdims=1),
    ]
    constants = {
        "axes": np.array([2, 3], np.int64),
        "one": np.array([1], np.int64),
        "scale": np.array(2.0, np.float32),
        "zero": np.array(10, np.uint8),
        "w": np.array([[10, -20], [30, 40], [-50, 60]], np.int8),
        "w_scale": np.array([0.01, 0.02], np.float32),
        "w_zero": np.array([0, 0], np.int8),
    }
    return model(nodes, constants)


def test_the_float_graph_computes_with_the_integers_weights(tmp_path: Path) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3)).astype(np.uint8)
    original = quantised()
    before = original.SerializeToString()
    result = float_graph(original)
    assert original.SerializeToString() == before
    onnx.save(result, tmp_path / "float.onnx")
    weights = np.array([[10, -20], [30, 40], [-50, 60]]) * [0.01, 0.02]
    expected = (faces.mean((1, 2)) @ weights).sum(1, keepdims=True)
    np.testing.assert_allclose(run_graph(tmp_path / "float.onnx", faces)["logit"], expected, rtol=1e-4)


def test_the_float_graph_has_nothing_that_tensorrt_refuses() -> None:
    assert any("Transpose reads bytes" in problem for problem in problems(quantised()))
    assert any("unsigned activations" in problem for problem in problems(quantised()))
    assert problems(float_graph(quantised())) == []


def test_a_float_graph_stays_what_it_is(tmp_path: Path) -> None:
    once = float_graph(quantised())
    assert [node.op_type for node in float_graph(once).graph.node].count("MatMul") == 1
    assert problems(float_graph(once)) == []


def cast() -> onnx.NodeProto:
    return helper.make_node("Cast", ["face"], ["float"], to=TensorProto.FLOAT)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([helper.make_node("Gelu", ["float"], ["logit"], "odd", domain="com.microsoft")], "com.microsoft.Gelu"),
        ([helper.make_node("Det", ["float"], ["logit"], "odd")], "odd: operator onnx.Det"),
        ([helper.make_node("Resize", ["float"], ["logit"], "odd", mode="cubic")], "mode cubic"),
        ([helper.make_node("Resize", ["float"], ["logit"], "odd", mode="linear", antialias=1)], "anti-aliasing"),
        ([helper.make_node("ReduceMean", ["float", "float"], ["logit"], "odd")], "constant axes"),
        ([helper.make_node("MaxPool", ["float"], ["logit"], "odd", dilations=[2, 2])], "dilation"),
    ],
)
def test_what_the_parser_would_refuse_is_named(nodes: list[onnx.NodeProto], message: str) -> None:
    found = problems(model([cast(), *nodes], {}))
    assert len(found) == 1
    assert message in found[0]


def test_a_fixed_batch_and_an_unknown_operator_set_are_named() -> None:
    fixed = model([cast()], {}, batch=4)
    fixed.opset_import[0].version = known_operators()["opset_to"] + 1
    assert [problem.split(" ", 2)[:2] for problem in problems(fixed)] == [["operator", "set"], ["input", "face:"]]


def test_the_operator_list_says_where_it_is_from() -> None:
    known = known_operators()
    assert known["source"] and known["read_on"] and known["tensorrt"]
    assert {"Conv", "Gemm", "QuantizeLinear"} <= set(known["operators"])
    assert json.dumps(sorted(known["operators"])) == json.dumps(known["operators"])


def test_trtexec_builds_for_every_batch_size() -> None:
    options = trtexec_options(Path("model.onnx"), Path("model.plan"))
    assert "--minShapes=face:1x256x256x3" in options
    assert f"--maxShapes=face:{MAX_BATCH}x256x256x3" in options
    assert "--fp16" in options
    assert "--fp16" not in trtexec_options(Path("model.onnx"), Path("model.plan"), "fp32")


def test_a_plan_is_named_by_all_that_it_depends_on(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"a model")
    target = Machine("NVIDIA H200", "9.0", "10.4.0")
    name = target.plan_name(tmp_path / "model.onnx", FAST_FILTER, "fp16")
    assert name.startswith("fast_filter-") and name.endswith("-nvidia-h200-sm9.0-trt10.4.0-fp16.plan")
    (tmp_path / "model.onnx").write_bytes(b"another model")
    assert target.plan_name(tmp_path / "model.onnx", FAST_FILTER, "fp16") != name


def test_without_tensorrt_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("trtexec"):
        pytest.skip("trtexec is installed here")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ConfigurationError, match="tritonserver image"):
        build_plan(float_graph(quantised()), "fp16")


class _Parser:
    """Stands in for TensorRT's parser, which cannot be installed here: only the order of calls is looked at."""

    def __init__(self, accepts: bool) -> None:
        self.accepts = accepts
        self.num_errors = 1

    def parse(self, graph: bytes) -> bool:
        onnx.checker.check_model(onnx.load_from_string(graph))
        return self.accepts

    def get_error(self, index: int) -> str:
        return f"error {index}"


class _Builder:
    def __init__(self) -> None:
        self.shapes: list[tuple[object, ...]] = []
        self.flags: list[str] = []
        self.profiles = 0

    def create_network(self, flags: int) -> str:
        return "network"

    def create_builder_config(self) -> Any:
        return SimpleNamespace(
            set_memory_pool_limit=lambda pool, size: None,
            set_flag=self.flags.append,
            add_optimization_profile=lambda profile: setattr(self, "profiles", self.profiles + 1),
        )

    def create_optimization_profile(self) -> Any:
        return SimpleNamespace(set_shape=lambda *arguments: self.shapes.append(arguments))

    def build_serialized_network(self, network: str, config: Any) -> bytes:
        return b"a plan"


def stand_in(builder: _Builder, *, accepts: bool) -> Any:
    return SimpleNamespace(
        __version__="10.4.0",
        Logger=type("Logger", (), {"WARNING": 1, "__init__": lambda self, level: None}),
        Builder=lambda logger: builder,
        NetworkDefinitionCreationFlag=SimpleNamespace(),
        OnnxParser=lambda network, logger: _Parser(accepts),
        MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
        BuilderFlag=SimpleNamespace(FP16="fp16"),
    )


def test_the_builder_asks_for_one_profile_of_all_batch_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = _Builder()
    monkeypatch.setitem(sys.modules, "tensorrt", stand_in(builder, accepts=True))
    assert build_plan(float_graph(quantised()), "fp16") == b"a plan"
    assert builder.shapes == [("face", (1, 256, 256, 3), (8, 256, 256, 3), (MAX_BATCH, 256, 256, 3))]
    assert builder.flags == ["fp16"]
    assert builder.profiles == 1


def test_what_the_parser_says_reaches_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", stand_in(_Builder(), accepts=False))
    with pytest.raises(ModelError, match="error 0"):
        build_plan(float_graph(quantised()), "fp32")
