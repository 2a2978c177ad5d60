"""Golden cases for `clients/mobile`, made by the Python cascade: `python -m tests.mobile_golden OUT`.

Made when the tests run and never kept: they follow the shipped models, and one of them shows a person.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.cascade import StageCall, StageOutputs, cascade, drive
from awarenet.faces import FaceBox, crop_face
from awarenet.policy import Policy
from awarenet.repository import ModelRepository
from awarenet.stages import FAST_FILTER, FEATURES, META_MODEL, NETWORKS
from awarenet.trees import CompiledTrees
from export.inference import run_graph
from tests.samples import ASTRONAUT_FACE, astronaut

REPOSITORY = Path(__file__).resolve().parents[1] / "model_repository"


def main(out: Path) -> None:
    """Writes `golden.json` and the pictures that it names."""
    out.mkdir(parents=True, exist_ok=True)
    repository = ModelRepository.open(REPOSITORY)
    decide = CompiledTrees(repository.model_path(META_MODEL)).predict
    random = np.random.default_rng(7)
    crops = crop_cases(random, out)
    faces = np.stack([np.fromfile(out / case["face"], np.uint8).reshape(256, 256, 3) for case in crops])
    golden = {
        "trees": tree_cases(random, decide),
        "cascade": [
            cascade_case(random, faces, policy, decide, full)
            for policy in (repository.policy, Policy(0.2, 0.7, 0.5, 0.1, repository.policy.leakage, "", {}))
            for full in (False, True)
        ],
        "words": word_cases(repository.policy),
        "crops": crops,
        "networks": {
            stage.name: {
                name: values.reshape(len(values), -1).tolist()
                for name, values in run_graph(repository.model_path(stage), faces[:3]).items()
            }
            for stage in NETWORKS
        },
        "portrait": portrait(out),
    }
    (out / "golden.json").write_text(json.dumps(golden), encoding="utf-8")


def plain(values: NDArray[np.float32]) -> Any:
    """Nested lists with null for NaN."""
    return [[None if np.isnan(value) else float(value) for value in row] for row in np.atleast_2d(values)]


def tree_cases(random: np.random.Generator, decide: Any) -> dict[str, Any]:
    """Random evidence, some of it missing, and what the compiled trees say of it."""
    rows = (random.normal(size=(1000, len(FEATURES))) * 3).astype(np.float32)
    rows[:, FEATURES.index("face_px")] = random.uniform(40, 600, len(rows))
    rows[random.random(rows.shape) < 0.1] = np.nan
    return {"rows": plain(rows), "probability": decide(rows).tolist()}


def cascade_case(
    random: np.random.Generator, faces: NDArray[np.uint8], policy: Policy, decide: Any, full: bool
) -> dict[str, Any]:
    """Random stage outputs for many faces, and the decisions of the Python cascade."""
    pick = np.arange(60) % len(faces)
    face_px = np.where(random.random(60) < 0.2, np.nan, random.uniform(30, 600, 60)).astype(np.float32)
    outputs = {
        stage.name: {
            tensor.name: (random.normal(size=(60, *tensor.shape)) * 2).astype(np.float32) for tensor in stage.outputs
        }
        for stage in NETWORKS
    }
    asked: list[list[int]] = []

    def run(call: StageCall) -> tuple[StageOutputs, ...]:
        if FAST_FILTER not in call.stages:
            asked.append(call.rows.tolist())
        return tuple({name: v[call.rows] for name, v in outputs[stage.name].items()} for stage in call.stages)

    decisions = drive(cascade(faces[pick], face_px, np.full(60, full), policy, decide), run)
    return {
        "policy": json.loads(policy.to_json()),
        "full": full,
        "faces": pick.tolist(),
        "face_px": plain(face_px)[0],
        "outputs": {s: {n: v.reshape(60, -1).tolist() for n, v in tensors.items()} for s, tensors in outputs.items()},
        "asked": asked,
        "probability": decisions.probability.tolist(),
        "exit_stage": decisions.exit_stage.tolist(),
        "evidence": plain(decisions.evidence),
    }


def word_cases(policy: Policy) -> list[dict[str, Any]]:
    """The verdict's word all over the scale, and exactly at its edges."""
    edges = [policy.decide_at + sign * policy.uncertain_margin for sign in (-1, 0, 1)]
    probabilities = [float(np.float32(value)) for value in [*np.linspace(0, 1, 101), *edges]]
    return [{"probability": value, "word": policy.word(value)} for value in probabilities]


def crop_cases(random: np.random.Generator, out: Path) -> list[dict[str, Any]]:
    """Boxes inside, over the edges and outside of pictures; crops that shrink and that grow."""
    noise = random.integers(0, 256, (300, 420, 3), np.uint8)
    pictures = {"portrait": astronaut(), "noise": noise, "smooth": cv2.GaussianBlur(noise, (0, 0), 3)}
    for name, picture in pictures.items():
        picture.tofile(out / f"{name}.rgb")
    cases: list[tuple[str, FaceBox]] = [("portrait", ASTRONAUT_FACE), ("portrait", FaceBox(100, 20, 260, 300, 1.0))]
    cases += [("smooth", FaceBox(-400, -300, 90, 70, 1.0)), ("noise", FaceBox(30, 40, 196.9, 196.9, 1.0))]
    for _ in range(8):
        name = ("portrait", "noise", "smooth")[random.integers(3)]
        height, width = pictures[name].shape[:2]
        left, top = random.uniform(-0.2, 0.9) * width, random.uniform(-0.2, 0.9) * height
        cases.append((name, FaceBox(left, top, random.uniform(10, 0.9 * width), random.uniform(10, 0.9 * height), 1.0)))
    written = []
    for index, (name, box) in enumerate(cases):
        crop = crop_face(pictures[name], box)
        crop.face.tofile(out / f"crop{index}.rgb")
        height, width = pictures[name].shape[:2]
        written.append(
            {
                "picture": f"{name}.rgb",
                "size": [width, height],
                "box": [box.x, box.y, box.width, box.height],
                "face": f"crop{index}.rgb",
                "face_px": crop.face_px,
            }
        )
    return written


def portrait(out: Path) -> dict[str, Any]:
    """The portrait as the browser's face detector takes it, and where the face is in it."""
    small = np.asarray(cv2.resize(astronaut(), (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
    small.tofile(out / "small.rgb")
    box = ASTRONAUT_FACE
    return {"picture": "small.rgb", "box": [box.x / 2, box.y / 2, box.width / 2, box.height / 2]}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
