"""The mobile bundle: written, run in a fresh process with bounded memory, and refused when it is not what it was."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from awarenet.errors import ConfigurationError, InvalidInput, ModelError, PolicyError, ServiceError
from awarenet.policy import Policy
from awarenet.repository import write_manifest
from export import bundle as module
from export.bundle import open_bundle, write_bundle
from export.validation import read_faces, sample_faces, validate
from tests import tiny_repository as tiny

REAL_MODELS = Path(__file__).resolve().parents[2] / "model_repository"
FAST, OTHER = "fast_filter/1/model.onnx", "efficientnet/1/model.onnx"

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, tiny_repository: Path) -> Path:
    return write_bundle(tiny_repository, tmp_path_factory.mktemp("bundle") / "tiny.zip")


def changed(bundle: Path, out: Path, change: Callable[[Files], object], *, signed: bool = False) -> Path:
    """The bundle with a change; where it is signed, by somebody who can write a manifest."""
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    if signed:
        root = out.with_suffix("")
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        write_manifest(root, Policy.from_json(files["cascade/1/policy.json"].decode()))
        files["manifest.json"] = (root / "manifest.json").read_bytes()
        shutil.rmtree(root)
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out


def swap(files: Files) -> None:
    files[FAST], files[OTHER] = files[OTHER], files[FAST]


def describe(**fields: object) -> Callable[[Files], None]:
    """Changes fields of the description."""

    def change(files: Files) -> None:
        files["bundle.json"] = json.dumps(json.loads(files["bundle.json"]) | fields).encode()

    return change


def test_the_shipped_models_run_as_on_a_phone_within_their_memory_and_decide_alike(tmp_path: Path) -> None:
    path = write_bundle(REAL_MODELS, tmp_path / "build" / "mobile.zip")
    report = validate(path, REAL_MODELS, sample_faces(), threads=1, memory_mb=512)
    assert report["passed"], report
    assert set(report["models_mb"]) == {f"{name}/1/model.onnx" for name in ("fast_filter", "efficientnet", "genconvit")}
    assert report["full"]["median_ms"] > 0 and report["peak_mb"] <= 512


def test_known_faces_are_decided_alike_by_both_routes(bundle: Path, tiny_repository: Path) -> None:
    faces = tiny.paint(tiny.SURELY_REAL, tiny.SURELY_FAKE, tiny.DOUBTFUL_REAL, tiny.DOUBTFUL_FAKE)
    report = validate(bundle, tiny_repository, faces, threads=2, memory_mb=512)
    assert report["passed"] and report["parity"]["cascade"]["same_stages"] == 4


def test_other_models_are_told_apart(bundle: Path, tiny_repository: Path, tmp_path: Path) -> None:
    report = validate(bundle, REAL_MODELS, sample_faces(), threads=1, memory_mb=512)
    assert not report["passed"]


def test_the_same_models_give_the_same_bytes(bundle: Path, tiny_repository: Path, tmp_path: Path) -> None:
    assert write_bundle(tiny_repository, tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda files: files.update({FAST: files[FAST] + b"x"}), f"{FAST} was changed"),
        (swap, "was changed after"),
        (lambda files: files.pop(FAST), f"{FAST} is missing"),
        (lambda files: files.pop("manifest.json"), "cannot read manifest.json"),
        (lambda files: files.update({"runner.py": b"evil"}), "runner.py was changed"),
        (lambda files: files.update({"more.py": b""}), "more.py is not in"),
        (lambda files: files.update({"../outside": b""}), "no path inside"),
    ],
)
def test_what_was_altered_is_refused(
    bundle: Path, tmp_path: Path, change: Callable[[Files], object], complaint: str
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelError, match=complaint):
        open_bundle(changed(bundle, tmp_path / "bad.zip", change), tmp_path / "out")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (swap, "made for other models"),
        (describe(machines=["riscv64"]), "is for riscv64, this machine is"),
        (describe(format=2), "format 2"),
        (describe(features=[]), "its features are"),
        (describe(labels=["fake", "real"]), "its labels are"),
        (lambda files: files.update({"bundle.json": b"{"}), "malformed"),
        (lambda files: files.pop("bundle.json"), "bundle.json is missing"),
    ],
)
def test_what_is_signed_and_wrong_is_refused(
    bundle: Path, tmp_path: Path, change: Callable[[Files], object], complaint: str
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises((ModelError, PolicyError), match=complaint):
        open_bundle(changed(bundle, tmp_path / "bad.zip", change, signed=True), tmp_path / "out")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_truncated_zip_is_refused(bundle: Path, tmp_path: Path, share: float) -> None:
    content = bundle.read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="no zip that can be read"):
        open_bundle(tmp_path / "cut.zip", tmp_path)


def test_a_zip_that_unpacks_to_too_much_is_refused(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_BYTES", 1000)
    with pytest.raises(ModelError, match="unpacks to more than"):
        open_bundle(bundle, tmp_path)


def test_too_little_memory_is_told(tmp_path: Path) -> None:
    path = write_bundle(REAL_MODELS, tmp_path / "mobile.zip")
    with pytest.raises(ConfigurationError, match="does not fit into 100 MB"):
        validate(path, REAL_MODELS, sample_faces()[:1], threads=1, memory_mb=100)


def test_a_runner_that_fails_is_told(bundle: Path, tiny_repository: Path) -> None:
    with pytest.raises(ServiceError, match="efficientnet"):
        validate(bundle, tiny_repository, tiny.paint(tiny.BROKEN), threads=1, memory_mb=512)


def test_faces_that_are_none_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "faces.npy", np.zeros((0, 256, 256, 3), np.uint8))
    for path in (tmp_path / "faces.npy", tmp_path / "absent.npy"):
        with pytest.raises(InvalidInput):
            read_faces(path)
