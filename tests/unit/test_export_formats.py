"""What the builds for phones share: choice of a form, names of operators, groups of layers; no converter is needed."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the export extra is not installed")

from awarenet.errors import ConfigurationError, ModelError  # noqa: E402
from awarenet.stages import FAST_FILTER, GENCONVIT, Stage  # noqa: E402
from export.formats import FORMATS, Infer, bind, build, check_face, open_format, refused, score  # noqa: E402
from export.inference import Faces  # noqa: E402
from export.samples import Samples  # noqa: E402
from training.layers import Operator, groups, inner_nodes, kept_nodes  # noqa: E402
from training.networks import create  # noqa: E402

WEIGHTED = {"layer"}


def chain(*kinds: str) -> list[Operator]:
    return [Operator(f"n{index}", kind, (f"t{index}",), (f"t{index + 1}",)) for index, kind in enumerate(kinds)]


def test_inner_nodes_are_those_between_the_first_and_the_last_layer() -> None:
    nodes = chain("cast", "layer", "relu", "layer", "relu", "layer", "relu", "layer", "scale")
    assert [node.name for node in inner_nodes(nodes, WEIGHTED)] == ["n2", "n3", "n4", "n5"]


def test_kept_groups_are_the_layers_of_that_name() -> None:
    nodes = inner_nodes(chain(*["layer", "relu"] * 6), WEIGHTED)
    named = dict(groups(nodes, 3, WEIGHTED))
    assert list(named) == ["layers 1 of 3", "layers 2 of 3", "layers 3 of 3"]
    assert sorted(name for members in named.values() for name in members) == sorted(node.name for node in nodes)
    assert kept_nodes(nodes, ["layers 2 of 3"], WEIGHTED) == set(named["layers 2 of 3"])
    assert kept_nodes(nodes, [], WEIGHTED) == set()


@pytest.mark.parametrize(
    ("message", "operator"),
    [
        ("Lowering not found: aten._linalg_det.default\n\nWhile executing %x", "aten._linalg_det.default"),
        ("\nOperator torch._ops.aten.special_bessel_j0.default is not in Core ATen", "aten.special_bessel_j0.default"),
        ("Missing out variants: {'aten::bessel'}", "aten.bessel"),
    ],
)
def test_the_operator_is_named(message: str, operator: str) -> None:
    error = RuntimeError("the outermost of them says little")
    error.__cause__ = RuntimeError(message)
    assert refused(error) == f"operator {operator} has no translation"


def test_another_failure_is_told_by_its_cause() -> None:
    error = RuntimeError("outer")
    error.__cause__ = ValueError("a guard failed\nand much more")
    assert refused(error) == "the conversion failed (a guard failed)"
    assert refused(KeyError()) == "the conversion failed (KeyError)"


@pytest.mark.parametrize("name", FORMATS)
def test_packages_that_are_not_here_are_named_with_the_remedy(name: str) -> None:
    if importlib.util.find_spec({"tflite": "litert_torch"}.get(name, name)):
        pytest.skip(f"the packages of {name} are installed here")
    with pytest.raises(ConfigurationError, match=f"{name}: .* is not installed here; `make formats`"):
        open_format(name)


class Scaled:
    """A format whose file is a number that the one true score is multiplied by."""

    NAME, SUFFIX = "scaled", ".txt"

    def __init__(self, *forms: float) -> None:
        self.forms = forms

    def translate(self, network: torch.nn.Module, stage: Stage) -> bytes:
        return b"1"

    def quantise(
        self, network: torch.nn.Module, stage: Stage, translated: bytes, calibration: Faces, kept: Collection[str]
    ) -> Iterator[tuple[str, bytes]]:
        yield from ((str(number), str(number).encode()) for number in self.forms)

    def load(self, model: Path, stage: Stage, threads: int) -> Infer:
        factor = np.float32(model.read_text())
        return lambda face: {"logit": factor * truth(face)}


def truth(faces: Faces) -> np.ndarray:
    return (faces.mean((1, 2, 3), dtype=np.float32) - 100)[:, None]


@pytest.fixture(scope="module")
def samples() -> Samples:
    faces = np.zeros((8, 256, 256, 3), np.uint8)
    faces[1::2] = 200
    return Samples(faces, np.array([0, 1] * 4, np.int8), np.array(["painted"] * 8))


@pytest.mark.parametrize(
    ("forms", "tried", "content", "passed"),
    [((0.9, 0.8), 1, "0.9", True), ((-1.0, 0.8, 0.7), 2, "0.8", True), ((-1.0, 0.0), 2, "0.0", False)],
)
def test_the_first_form_that_is_tolerable_is_taken_or_the_least_harmful(
    samples: Samples, tmp_path: Path, forms: tuple[float, ...], tried: int, content: str, passed: bool
) -> None:
    files = (tmp_path / "float" / "model.txt", tmp_path / "int8" / "model.txt")
    reference = {"logit": truth(samples.faces)}
    floats, *others = build(
        Scaled(*forms), torch.nn.Identity(), FAST_FILTER, files, samples.faces, samples, reference, ()
    )
    assert floats.gate.passed and floats.file == files[0]
    assert len(others) == tried
    (taken,) = (one for one in others if one.file)
    assert files[1].read_text() == content == taken.form
    assert taken.gate.passed is passed
    assert sorted(path.name for path in files[1].parent.iterdir()) == ["model.txt"]


def test_outputs_that_are_not_the_stages_are_refused(samples: Samples) -> None:
    with pytest.raises(ModelError, match=r"output residual is nothing, expected float32 \[1, 1\]"):
        score(lambda face: {"logit": np.zeros((1, 2), np.float32)}, GENCONVIT, samples.faces)
    with pytest.raises(ModelError, match=r"output logit is float64 \[1, 1\]"):
        score(lambda face: {"logit": np.zeros((1, 1))}, FAST_FILTER, samples.faces)
    with pytest.raises(ModelError, match=r"the input is int8 \[1, 3, 256, 256\]"):
        check_face(FAST_FILTER, "int8", (1, 3, 256, 256))


def test_a_bound_network_says_the_same() -> None:
    torch.manual_seed(0)
    small = {"convnext_options": {"depths": [1, 1, 1, 1], "dims": [8, 8, 8, 8]}, "swin_width": 16, "swin_heads": 2}
    network = create("genconvit", pretrained="never", swin_blocks=2, resolution=128, swin_window=2, **small).eval()
    faces = torch.randint(0, 256, (1, 256, 256, 3), dtype=torch.uint8)
    with torch.inference_mode():
        before = network(faces)["logit"]
        bind(network)
        torch.testing.assert_close(network(faces)["logit"], before)
    assert not any(getattr(module, "dynamic_mask", False) for module in network.modules())
