"""`export.assemble` builds a whole model repository or leaves things as they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from awarenet.errors import ConfigurationError, ModelError, PolicyError
from awarenet.policy import Leakage, Policy, file_sha256
from awarenet.repository import ModelRepository
from awarenet.stages import CASCADE, FEATURES, MAX_BATCH, META_MODEL, NETWORKS, STAGES, Stage
from export.assemble import MARKER, assemble
from export.configs import TARGETS, read_config, triton_type
from export.trees import export_trees


def graph(path: Path, stage: Stage, *, batch: str | int = "batch", rename: str | None = None) -> Path:
    """A graph with the stage's contract whose outputs are the mean grey level, repeated."""
    outputs = []
    nodes = [
        helper.make_node("Cast", ["face"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["axes"], value_ints=[1, 2, 3]),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Constant", [], ["one"], value_ints=[1]),
        helper.make_node("Unsqueeze", ["mean", "one"], ["column"]),
    ]
    for tensor in stage.outputs:
        name = rename or tensor.name
        nodes.append(helper.make_node("Concat", ["column"] * tensor.shape[0], [name], axis=1))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *tensor.shape]))
    face = helper.make_tensor_value_info("face", TensorProto.UINT8, [batch, *stage.inputs[0].shape])
    model = helper.make_model(
        helper.make_graph(nodes, stage.name, [face], outputs),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.save(model, path)
    return path


QUEUE = "dynamic_batching { default_queue_policy { max_queue_size: 8 } }"


def config(stage: Stage, target: str) -> str:
    """A configuration that declares the stage's contract."""
    embedded = stage in NETWORKS and target == TARGETS[0]
    lines = [
        f'name: "{stage.name}"',
        f'backend: "{"python" if embedded or stage not in NETWORKS else "onnxruntime"}"',
        f"max_batch_size: {MAX_BATCH}",
        "" if embedded else QUEUE,
    ]
    for kind, tensors in (("input", stage.inputs), ("output", stage.outputs)):
        for tensor in tensors:
            optional = " optional: true" if tensor.optional else ""
            dims = ", ".join(map(str, tensor.shape))
            lines.append(
                f'{kind} {{ name: "{tensor.name}" data_type: {triton_type(tensor.dtype)} dims: [{dims}]{optional} }}'
            )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, trees, policy and a template, made once."""
    folder = tmp_path_factory.mktemp("parts")
    for stage in NETWORKS:
        graph(folder / f"{stage.name}.onnx", stage)
    features = np.random.default_rng(0).normal(size=(200, len(FEATURES)))
    data = lightgbm.Dataset(features, features[:, 0] > 0, feature_name=list(FEATURES))
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 3)
    booster.save_model(folder / "model.txt")
    export_trees(folder / "model.txt", folder / "trees")
    for stage in STAGES:
        for target in TARGETS:
            path = folder / "template" / stage.name / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(config(stage, target))
        (folder / "template" / stage.name / "1").mkdir()
        (folder / "template" / stage.name / "1" / "model.py").write_text("# a Python model\n")
    hashes = {stage.name: file_sha256(folder / f"{stage.name}.onnx") for stage in NETWORKS}
    hashes[META_MODEL.name] = file_sha256(folder / "trees" / "trees.c")
    policy = Policy(0.1, 0.9, 0.5, 0.05, Leakage(0.01, 100, 0, 0.03, 100, 50), 'made "up"', hashes)
    (folder / "policy.json").write_text(policy.to_json())
    return folder


def build(parts: Path, out: Path, template: Path | None = None) -> ModelRepository:
    models = {stage.name: parts / f"{stage.name}.onnx" for stage in NETWORKS}
    policy = parts / "policy.json"
    return assemble(out, models, parts / "trees", policy, template=template or parts / "template")


@pytest.fixture
def own(parts: Path, tmp_path: Path) -> Path:
    """A copy of the parts to spoil."""
    return Path(shutil.copytree(parts, tmp_path / "parts"))


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_repository_is_complete_and_opens(parts: Path, tmp_path: Path) -> None:
    repository = build(parts, tmp_path / "repository")
    assert ModelRepository.open(tmp_path / "repository") == repository
    for target in TARGETS:
        written = read_config(tmp_path / "repository" / CASCADE.name / target).parameters
        assert Policy.from_json(written["policy"].string_value) == repository.policy
        assert written["policy_version"].string_value == repository.policy.version
        assert written["model_version"].string_value == repository.policy.model_version
    assert [path.name for path in tmp_path.iterdir()] == ["repository"]


def test_in_place_and_again_gives_the_same_bytes(own: Path) -> None:
    build(own, own / "template")
    first = contents(own / "template")
    build(own, own / "template", own / "template")
    assert contents(own / "template") == first
    assert first["cascade/config.pbtxt"].decode().count(MARKER) == 1


def test_an_older_repository_is_replaced_whole(own: Path, tmp_path: Path) -> None:
    build(own, tmp_path / "repository")
    (tmp_path / "repository" / "stale.txt").write_text("from before")
    build(own, tmp_path / "repository")
    assert not (tmp_path / "repository" / "stale.txt").exists()


def test_another_folder_is_never_replaced(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigurationError, match="no model repository"):
        build(parts, tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 4}, "fixed batch size 4"),
        ({"rename": "score"}, "output logit is missing; it has score"),
    ],
)
def test_a_graph_that_breaks_the_contract_names_its_tensor(
    own: Path, tmp_path: Path, change: dict[str, str | int], message: str
) -> None:
    graph(own / "fast_filter.onnx", NETWORKS[0], **change)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=message):
        build(own, tmp_path / "repository")
    assert not (tmp_path / "repository").exists()


def test_a_truncated_graph_is_refused(own: Path, tmp_path: Path) -> None:
    path = own / "efficientnet.onnx"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ModelError, match="not a valid ONNX graph"):
        build(own, tmp_path / "repository")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("TYPE_UINT8", "TYPE_FP32", "input face is TYPE_FP32"),
        ("dims: [2]", "dims: [3]", "output logit is TYPE_FP32"),
        ('"residual"', '"rest"', "output residual is missing"),
        (f"max_batch_size: {MAX_BATCH}", "max_batch_size: 8", "max_batch_size is 8"),
        ("backend", "# backend", "names no backend"),
        ('name: "genconvit"', 'name: "convit"', "it is named convit"),
        ("max_batch_size", "max_bath_size", "not a Triton model configuration"),
    ],
)
def test_a_wrong_configuration_is_named(
    own: Path, tmp_path: Path, target: str, old: str, new: str, message: str
) -> None:
    path = own / "template" / "genconvit" / target
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ModelError, match=message):
        build(own, tmp_path / "repository")


@pytest.mark.parametrize(
    ("stage", "target", "old", "new", "message"),
    [
        ("cascade", TARGETS[0], "max_queue_size: 8", "", "queue has no limit"),
        ("genconvit", TARGETS[1], "max_queue_size: 8", "", "queue has no limit"),
        ("genconvit", TARGETS[2], QUEUE, "", "queue has no limit"),
        ("genconvit", TARGETS[0], "max_batch_size", QUEUE + "\nmax_batch_size", "needs no batcher"),
    ],
)
def test_queues_are_bounded_and_the_router_alone_has_one_in_front_of_the_embedded_networks(
    own: Path, tmp_path: Path, stage: str, target: str, old: str, new: str, message: str
) -> None:
    path = own / "template" / stage / target
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ModelError, match=message):
        build(own, tmp_path / "repository")


def test_a_policy_for_other_models_leaves_the_old_repository(own: Path, tmp_path: Path) -> None:
    build(own, tmp_path / "repository")
    before = contents(tmp_path / "repository")
    shutil.copyfile(own / "efficientnet.onnx", own / "fast_filter.onnx")
    with pytest.raises(PolicyError, match="fast_filter differ"):
        build(own, tmp_path / "repository")
    assert contents(tmp_path / "repository") == before


def test_a_missing_part_is_named(own: Path, tmp_path: Path) -> None:
    (own / "trees" / "trees.treelite").unlink()
    with pytest.raises(ModelError, match=r"trees\.treelite is missing"):
        build(own, tmp_path / "repository")
