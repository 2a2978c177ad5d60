"""Other engines than ONNX Runtime on the processor: the same contract, and answers that are near enough."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from awarenet.errors import ConfigurationError, ModelError
from awarenet.faces import crop_face
from awarenet.repository import ModelRepository, model_path
from awarenet.runtime.engines import ENGINES, OpenVino
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import EFFICIENTNET, FEATURES, NETWORKS
from tests import tiny_repository as tiny
from tests.samples import ASTRONAUT_FACE, astronaut

REAL_MODELS = Path(__file__).resolve().parents[2] / "model_repository"

installed = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import openvino"], capture_output=True).returncode != 0,
    reason="OpenVINO is not installed: pip install 'awarenet[openvino]'",
)


@pytest.mark.parametrize("name", [name for name in ENGINES if name not in ("cpu", "openvino")])
def test_an_engine_that_is_not_here_is_told(tiny_repository: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"available: |is not installed|OpenVINO finds no"):
        InProcessRuntime(tiny_repository, engine=ENGINES[name])


@installed
def test_known_faces_have_known_scores(tiny_repository: Path) -> None:
    faces = tiny.paint(tiny.SURELY_REAL, tiny.SURELY_FAKE, tiny.DOUBTFUL_REAL, tiny.DOUBTFUL_FAKE)
    decisions = [
        InProcessRuntime(tiny_repository, engine=ENGINES[name]).score(faces, route="full")
        for name in ("cpu", "openvino")
    ]
    np.testing.assert_allclose(decisions[1].evidence, decisions[0].evidence, atol=1e-3)
    assert decisions[1].exit_stage.tolist() == decisions[0].exit_stage.tolist()


def variants() -> NDArray[np.uint8]:
    """A real face in other light and sharpness, uint8 `[24, 256, 256, 3]`."""
    random = np.random.default_rng(0)
    face = crop_face(astronaut(), ASTRONAUT_FACE).face.astype(np.float32)
    return np.stack(
        [
            (face[:, :: -1 if number % 2 else 1] * random.uniform(0.5, 1.3) + random.normal(0, 4, face.shape))
            .clip(0, 255)
            .astype(np.uint8)
            for number in range(24)
        ]
    )


@installed
def test_the_shipped_models_give_nearly_the_same_scores() -> None:
    faces = variants()
    mine, theirs = (
        InProcessRuntime(REAL_MODELS, threads=2, engine=ENGINES[name]).score(faces, route="full")
        for name in ("cpu", "openvino")
    )
    for column in range(len(FEATURES) - 3):
        one, other = mine.evidence[:, column], theirs.evidence[:, column]
        # Two ways of rounding INT8: single scores move a little, and do not drift apart.
        differences = np.abs(one - other) / np.maximum(1, np.abs(one))
        sys.stdout.write(f"{FEATURES[column]}: mean {differences.mean():.3f}, largest {differences.max():.3f}\n")
        assert differences.max() <= OpenVino("CPU").tolerance
        assert differences.mean() <= OpenVino("CPU").tolerance / 3


@installed
def test_one_runtime_serves_several_threads(tiny_repository: Path) -> None:
    runtime = InProcessRuntime(tiny_repository, threads=2, engine=OpenVino("CPU"))
    reds = [(red, 40, 40) for red in range(10, 130, 10)]
    expected = [runtime.score(tiny.paint(red), route="full").evidence for red in reds]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda red: runtime.score(tiny.paint(red), route="full").evidence, reds))
    np.testing.assert_array_equal(found, expected)


@installed
@pytest.mark.parametrize("content", [b"no network", None])
def test_a_file_that_is_no_model_of_the_stage_is_told(
    tiny_repository: Path, tmp_path: Path, content: bytes | None
) -> None:
    copy = shutil.copytree(tiny_repository, tmp_path / "copy")
    right = model_path(copy, EFFICIENTNET)
    right.write_bytes(content or model_path(copy, NETWORKS[2]).read_bytes())
    policy = ModelRepository.open(tiny_repository).policy
    with pytest.raises(ModelError, match=r"efficientnet: .*(cannot load|the contract is)"):
        InProcessRuntime(ModelRepository(copy, policy), engine=OpenVino("CPU"))
