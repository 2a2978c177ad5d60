"""A complete, valid model repository made in seconds, whose scores are known functions of the face's colour.

With it a test chooses by painting a face (`paint`) which stage decides and what happens there:

- fast_filter: logit = (mean red - 128) / 8, so red 0 is surely real, 255 surely fake, 128 doubtful;
- efficientnet: logit = (mean green - 128) / 16, and not a number for green 255 (`BROKEN`);
- genconvit: logits = (mean blue - 128) / 16 and / 32, residual = mean blue / 255, and more than half a second of work
  for blue 255 (`SLOW`); fast_filter likewise for red 255 (`SLOW_AT_FIRST`);
- meta_model: LightGBM, trained to say fake where the three heavy logits sum to more than 0.
"""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from awarenet.policy import Leakage, Policy, file_sha256
from awarenet.stages import EFFICIENTNET, FACE, FACE_SIZE, FAST_FILTER, FEATURES, GENCONVIT, META_MODEL, Stage
from export.assemble import assemble
from export.trees import export_trees

SURELY_REAL = (0, 128, 128)
SURELY_FAKE = (254, 128, 128)
DOUBTFUL_REAL = (128, 40, 40)
DOUBTFUL_FAKE = (128, 210, 210)
BROKEN = (128, 255, 128)
SLOW = (128, 40, 255)
SLOW_AT_FIRST = (255, 40, 40)

SLOW_STEPS = 12_000
"""Matrix products of a slow run, 0.13 to 0.4 ms each."""


def paint(*colours: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Faces of one colour each, uint8 `[len(colours), 256, 256, 3]`."""
    faces = np.empty((len(colours), FACE_SIZE, FACE_SIZE, 3), np.uint8)
    faces[:] = np.array(colours, np.uint8)[:, None, None, :]
    return faces


def build(out: Path) -> Path:
    """Makes the repository.

    Args:
        out: Its folder; what it was made from is kept beside it, in `<out>.sources`.

    Returns:
        `out`.
    """
    sources = out.with_name(out.name + ".sources")
    sources.mkdir(parents=True, exist_ok=True)
    models = {}
    for stage, graph in ((FAST_FILTER, _fast_filter()), (EFFICIENTNET, _efficientnet()), (GENCONVIT, _genconvit())):
        models[stage.name] = sources / f"{stage.name}.onnx"
        onnx.save(graph, models[stage.name])
    trees = export_trees(_train_trees(sources / "trees.txt"), sources / "trees")
    hashes = {name: file_sha256(path) for name, path in models.items()}
    hashes[META_MODEL.name] = file_sha256(trees / META_MODEL.file)
    leakage = Leakage(target=0.01, fakes=300, leaked=0, upper_95=0.01, reals=300, settled=200)
    policy = Policy(0.05, 0.95, 0.5, 0.05, leakage, "painted faces", hashes)
    (sources / "policy.json").write_text(policy.to_json(), encoding="utf-8")
    assemble(out, models, trees, sources / "policy.json")
    return out


def _train_trees(path: Path) -> Path:
    random = np.random.default_rng(0)
    features = random.uniform(-8, 8, (2000, len(FEATURES)))
    fake = features[:, 1:4].sum(axis=1) > 0
    parameters = {"objective": "binary", "num_leaves": 15, "num_threads": 1, "verbose": -1, "deterministic": True}
    data = lightgbm.Dataset(features, fake, feature_name=list(FEATURES))
    lightgbm.train(parameters, data, num_boost_round=20).save_model(path)
    return path


def _constant(name: str, value: object, dtype: type) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def _mean_of(channel: int) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes that give `mean`, float32 `[N, 1]`."""
    return [
        helper.make_node("Cast", [FACE.name], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "plane"], ["means"], keepdims=0),
        helper.make_node("Gather", ["means", "channel"], ["mean"], axis=1),
        helper.make_node("Sub", ["mean", "middle"], ["centred"]),
    ], [
        _constant("plane", [1, 2], np.int64),
        _constant("channel", [channel], np.int64),
        _constant("middle", [[128.0]], np.float32),
    ]


def _model(stage: Stage, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> onnx.ModelProto:
    face = helper.make_tensor_value_info(FACE.name, TensorProto.UINT8, ["batch", *FACE.shape])
    outputs = [
        helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, ["batch", *tensor.shape])
        for tensor in stage.outputs
    ]
    graph = helper.make_graph(nodes, stage.name, [face], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _slow() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes that give `nothing`, a zero that takes more than half a second where `mean` is 255."""
    step = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("MatMul", ["matrix", "turn"], ["turned"]),
        ],
        "step",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("matrix", TensorProto.FLOAT, [256, 256]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("turned", TensorProto.FLOAT, [256, 256]),
        ],
    )
    return [
        helper.make_node("Greater", ["mean", "bright"], ["is_slow"]),
        helper.make_node("Cast", ["is_slow"], ["slow"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["slow"], ["any_slow"], keepdims=0),
        helper.make_node("Mul", ["any_slow", "steps"], ["count"]),
        helper.make_node("Loop", ["count", "yes", "turn"], ["matrix_out"], body=step),
        helper.make_node("ReduceSum", ["matrix_out"], ["work"], keepdims=0),
        helper.make_node("Mul", ["work", "zero"], ["nothing"]),
    ], [
        _constant("bright", [[254.5]], np.float32),
        _constant("steps", SLOW_STEPS, np.int64),
        _constant("yes", True, np.bool_),
        _constant("turn", np.eye(256), np.float32),
        _constant("zero", 0.0, np.float32),
    ]


def _fast_filter() -> onnx.ModelProto:
    nodes, constants = _mean_of(0)
    slow_nodes, slow_constants = _slow()
    nodes += [
        *slow_nodes,
        helper.make_node("Div", ["centred", "width"], ["plain"]),
        helper.make_node("Add", ["plain", "nothing"], ["logit"]),
    ]
    return _model(FAST_FILTER, nodes, [*constants, *slow_constants, _constant("width", [[8.0]], np.float32)])


def _efficientnet() -> onnx.ModelProto:
    nodes, constants = _mean_of(1)
    nodes += [
        helper.make_node("Div", ["centred", "width"], ["plain"]),
        helper.make_node("Sub", ["limit", "mean"], ["room"]),
        helper.make_node("Sqrt", ["room"], ["root"]),  # Not a number for green 255.
        helper.make_node("Mul", ["root", "zero"], ["nothing"]),
        helper.make_node("Add", ["plain", "nothing"], ["logit"]),
    ]
    numbers = (("width", 16.0), ("limit", 254.5), ("zero", 0.0))
    return _model(EFFICIENTNET, nodes, [*constants, *(_constant(n, [[v]], np.float32) for n, v in numbers)])


def _genconvit() -> onnx.ModelProto:
    nodes, constants = _mean_of(2)
    slow_nodes, slow_constants = _slow()
    nodes += [
        *slow_nodes,
        helper.make_node("Div", ["centred", "widths"], ["plain"]),
        helper.make_node("Add", ["plain", "nothing"], ["logit"]),
        helper.make_node("Div", ["mean", "white"], ["residual"]),
    ]
    return _model(
        GENCONVIT,
        nodes,
        [
            *constants,
            *slow_constants,
            _constant("widths", [[16.0, 32.0]], np.float32),
            _constant("white", [[255.0]], np.float32),
        ],
    )
