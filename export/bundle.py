"""One zip for a phone: a model repository without what Triton alone needs, what describes it, and a thin runner.

manifest.json                 the sha256 of every file, as of a model repository
bundle.json                   labels, features, the tensor of a face, forms of the models, machines
STAGE/1/model.onnx            INT8; a `model.tflite` beside it will be another form
meta_model/1/trees.c          the meta-model as C source
cascade/1/policy.json         the thresholds
runner.py, awarenet/          the runner, and the modules of the core that it needs
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import awarenet
from awarenet.errors import ConfigurationError, ModelError, ReportError
from awarenet.repository import JUDGED, ModelRepository, model_path, policy_path, repository_files, write_manifest
from awarenet.runtime.installation import python_path
from awarenet.stages import CASCADE, FACE, FEATURES, META_MODEL, NETWORKS

DESCRIPTION_FILE: Final = "bundle.json"
RUNNER_FILE: Final = "runner.py"

FORMAT: Final = 1
MACHINES: Final = ("aarch64", "arm64", "x86_64")
"""What `platform.machine()` may say; on 32 bits ONNX Runtime has no INT8 kernels of use."""

LARGEST_BYTES: Final = 256 << 20
"""Most bytes that a bundle may unpack to."""

_MOST_FILES: Final = 500
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_REMEDY: Final = "make the bundle again with `python -m export bundle`"


def write_bundle(repository: Path, out: Path) -> Path:
    """Writes the bundle of a model repository; the same repository gives the same bytes.

    Args:
        repository: The model repository; it is verified.
        out: The zip to write.

    Returns:
        `out`.

    Raises:
        ModelError: The repository is damaged.
        PolicyError: Its policy was made for other models.
        ReportError: The zip cannot be written.
    """
    opened = ModelRepository.open(repository)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for stage in (*JUDGED, CASCADE):
            _copy(opened.model_path(stage), model_path(root, stage))
        _copy(policy_path(repository), policy_path(root))
        package = Path(awarenet.__file__).parent
        for module in _modules():
            _copy(package.parent / module, root / module)
        _copy(Path(__file__).with_name("bundle_runner.py"), root / RUNNER_FILE)
        (root / DESCRIPTION_FILE).write_text(json.dumps(_description(), indent=2, sort_keys=True) + "\n", "utf-8")
        write_manifest(root, opened.policy)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            _zip(root, out)
        except OSError as error:
            raise ReportError(
                f"{out} cannot be written ({error.strerror}); free space, or name another file"
            ) from error
    return out


def open_bundle(path: Path, folder: Path) -> ModelRepository:
    """Unpacks a bundle and verifies all of it.

    Args:
        path: The zip.
        folder: An empty folder.

    Returns:
        The repository in `folder`.

    Raises:
        ModelError: The zip is damaged or harmful, a file is missing, swapped or altered, or it is for other machines.
        PolicyError: Its policy was made for other models.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MOST_FILES or sum(member.file_size for member in members) > LARGEST_BYTES:
                raise ModelError(f"{path} unpacks to more than {LARGEST_BYTES:,} bytes or {_MOST_FILES} files; refused")
            names = [member.filename for member in members]
            for name in names:
                parts = PurePosixPath(name).parts
                if name.startswith("/") or ".." in parts or "\\" in name or names.count(name) > 1:
                    raise ModelError(f"{path} holds {name!r}, no path inside or one that is there twice; refused")
            archive.extractall(folder)
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{path} is no zip that can be read ({error}); copy it again, or {_REMEDY}") from error
    opened = ModelRepository.open(folder)
    _check_description(path, folder)
    return opened


def _check_description(path: Path, folder: Path) -> None:
    try:
        described: Any = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        machines, number = described["machines"], described["format"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path}: {DESCRIPTION_FILE} is missing or malformed ({error}); {_REMEDY}") from error
    if number != FORMAT:
        raise ModelError(f"{path} has the format {number}, read here is {FORMAT}; {_REMEDY}")
    if platform.machine() not in machines:
        raise ModelError(
            f"{path} is for {', '.join(machines)}, this machine is {platform.machine()}; take it to one of those"
        )
    expected = _description()
    for key in ("face", "features", "labels", "forms"):
        if described.get(key) != expected[key]:
            raise ModelError(f"{path}: its {key} are {described.get(key)}, the cascade has {expected[key]}; {_REMEDY}")


def _description() -> Mapping[str, Any]:
    return {
        "format": FORMAT,
        "labels": ["real", "fake"],
        "features": list(FEATURES),
        "face": {"name": FACE.name, "dtype": FACE.dtype, "shape": list(FACE.shape), "colours": "RGB"},
        "machines": list(MACHINES),
        "forms": {
            "onnx": {stage.name: model_path(Path(), stage).as_posix() for stage in NETWORKS},
            "c": {META_MODEL.name: model_path(Path(), META_MODEL).as_posix()},
        },
    }


def _modules() -> list[str]:
    """The files of the core that the runner imports, relative to the folder of the package."""
    code = (
        "import sys, awarenet.runtime.inprocess; from pathlib import Path; root = Path(sys.argv[1]); "
        "print(*sorted(str(Path(m.__file__).relative_to(root)) for n, m in sys.modules.items() "
        "if n.split('.')[0] == 'awarenet'), sep='\\n')"
    )
    root = Path(awarenet.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, env={"PYTHONPATH": python_path()}
    )
    if done.returncode:
        raise ConfigurationError(f"the modules of the runner cannot be listed: {done.stderr.strip()[-500:]}")
    return done.stdout.split()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _zip(root: Path, out: Path) -> None:
    fresh = out.with_name(f"{out.name}.new")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in ("manifest.json", *repository_files(root)):
            # No times and no rights of this machine: the same models give the same file.
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), (root / name).read_bytes(), zipfile.ZIP_DEFLATED)
    fresh.replace(out)
