"""A model repository on disk: where its files lie, and proof that they are the ones that were assembled."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from awarenet import __version__
from awarenet.errors import ModelError, ReportError
from awarenet.policy import Policy, file_sha256
from awarenet.signing import TrustedKeys, sign
from awarenet.stages import (
    CASCADE,
    MANIFEST_FILE,
    META_MODEL,
    NETWORKS,
    PLANS_FILE,
    POLICY_FILE,
    SIGNATURE_FILE,
    Stage,
)

VERSION_FOLDER: Final = "1"
"""The one version folder of each model; a new set of models is a new repository."""

PLAN_FILE: Final = "model.plan"
"""A TensorRT plan's name in a network's version folder, as `configs/tensorrt.pbtxt` gives it."""

JUDGED: Final = (*NETWORKS, META_MODEL)
"""The stages whose model files a policy is made for."""

LISTS: Final = (MANIFEST_FILE, SIGNATURE_FILE, PLANS_FILE)
"""Files that say of others what they are, which no manifest lists."""

_REMEDY = "make the repository again with `python -m export assemble`"
_BYTE_CODE: Final = "__pycache__"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelRepository:
    """A verified model repository.

    Attributes:
        root: Its folder.
        policy: The thresholds made for its models.
    """

    root: Path
    policy: Policy

    def model_path(self, stage: Stage) -> Path:
        """Where the model file of a stage lies."""
        return model_path(self.root, stage)

    @property
    def has_plans(self) -> bool:
        """Whether TensorRT can serve it: every network has a plan, built for the machine where it lies."""
        return all(plan_path(self.root, stage).is_file() for stage in NETWORKS)

    @classmethod
    def open(cls, root: Path, trusted: TrustedKeys | None = None) -> ModelRepository:
        """Verifies every file of a repository against its manifest and loads the policy.

        Args:
            root: Its folder.
            trusted: Keys of those who may sign the manifest; None asks for no signature.

        Raises:
            ModelError: The manifest is missing, malformed or not signed as it must be, or a file is missing, altered or
                not listed.
            PolicyError: The policy is malformed or was made for other models.
        """
        content = _read(root, MANIFEST_FILE)
        if trusted is not None:
            signature = _read(root, SIGNATURE_FILE) if (root / SIGNATURE_FILE).exists() else None
            trusted.check(content, signature, str(root))
            _refuse_byte_code(root)
        listed = _built_here(root) | listed_files(content, str(root))
        present = set(repository_files(root))
        for name in sorted(listed.keys() | present):
            if name not in present:
                raise ModelError(f"model repository {root}: {name} is missing; {_REMEDY}")
            if name not in listed:
                raise ModelError(f"model repository {root}: {name} is not in {MANIFEST_FILE}; remove it, or {_REMEDY}")
            if file_sha256(root / name) != listed[name]:
                raise ModelError(f"model repository {root}: {name} was changed after it was assembled; {_REMEDY}")
        for stage in (*JUDGED, CASCADE):
            if model_path(root, stage).relative_to(root).as_posix() not in listed:
                raise ModelError(f"model repository {root}: the model file of {stage.name} is missing; {_REMEDY}")
        hashes = {stage.name: file_sha256(model_path(root, stage)) for stage in JUDGED}
        return cls(root, Policy.load(policy_path(root), hashes))


def model_path(root: Path, stage: Stage) -> Path:
    """Where the model file of a stage lies in the repository `root`."""
    return root / stage.name / VERSION_FOLDER / stage.file


def plan_path(root: Path, stage: Stage) -> Path:
    """Where the TensorRT plan of a network lies in the repository `root`."""
    return root / stage.name / VERSION_FOLDER / PLAN_FILE


def policy_path(root: Path) -> Path:
    """Where the policy lies in the repository `root`."""
    return root / CASCADE.name / VERSION_FOLDER / POLICY_FILE


def repository_files(root: Path) -> Iterator[str]:
    """Every file that a manifest lists, relative to `root`, POSIX style, sorted.

    The lists themselves, the signature, and Python's byte code beside `model.py` are left out.
    """
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name not in LISTS and path.parent.name != _BYTE_CODE:
            yield name


def write_manifest(root: Path, policy: Policy) -> None:
    """Lists the repository as it lies there: one line with the sha256 of each file, and the versions."""
    manifest = {
        "created_by": f"awarenet {__version__}",
        "files": {name: file_sha256(root / name) for name in repository_files(root)},
        "model_version": policy.model_version,
        "policy_version": policy.version,
    }
    (root / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_plans(root: Path) -> None:
    """Lists the TensorRT plans as they lie there, beside the manifest, which stays as it was made and signed."""
    plans = {path.relative_to(root).as_posix(): file_sha256(path) for path in _plan_paths(root) if path.is_file()}
    if plans:
        (root / PLANS_FILE).write_text(json.dumps({"files": plans}, indent=2) + "\n", encoding="utf-8")


def remove_additions(root: Path) -> None:
    """Removes what a machine adds for itself and no manifest lists: byte code, and the list of plans."""
    for folder in list(root.rglob(_BYTE_CODE)):
        shutil.rmtree(folder)
    (root / PLANS_FILE).unlink(missing_ok=True)


def sign_manifest(root: Path, key: Path) -> ModelRepository:
    """Signs a repository, whose files are verified before.

    Args:
        root: Its folder.
        key: The file of a private key (`awarenet.signing.make_key`).

    Raises:
        ModelError: The repository is not intact.
        PolicyError: Its policy was made for other models.
        InvalidInput: The key is none.
        ReportError: The signature cannot be written.
    """
    repository = ModelRepository.open(root)
    signature = sign(_read(root, MANIFEST_FILE), key)
    try:
        (root / SIGNATURE_FILE).write_bytes(signature)
    except OSError as error:
        raise ReportError(f"{root / SIGNATURE_FILE} cannot be written ({error.strerror}); sign a copy") from error
    return repository


def listed_files(manifest: bytes, where: str, file: str = MANIFEST_FILE) -> dict[str, str]:
    """The files that a manifest lists, by their POSIX path below the repository, with their sha256.

    Args:
        manifest: The content of `manifest.json`.
        where: The repository, for the complaint.
        file: Name of the manifest, for the complaint.

    Raises:
        ModelError: It is malformed, or a name leads out of the repository.
    """
    try:
        content: Any = json.loads(manifest)
    except ValueError as error:
        raise ModelError(f"model repository {where}: {file} is no JSON ({error}); {_REMEDY}") from error
    listed = content.get("files") if isinstance(content, dict) else None
    if not isinstance(listed, dict):
        raise ModelError(f"model repository {where}: {file} lists no files; {_REMEDY}")
    for name, digest in listed.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.as_posix() != name or "\\" in name or "\0" in name:
            raise ModelError(f"model repository {where}: {file} lists {name!r}, no path inside; {_REMEDY}")
        if name in (MANIFEST_FILE, ".") or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise ModelError(f"model repository {where}: {file} has no sha256 of {name!r}; {_REMEDY}")
    return listed


def _read(root: Path, name: str) -> bytes:
    try:
        return (root / name).read_bytes()
    except OSError as error:
        raise ModelError(f"model repository {root}: cannot read {name} ({error}); {_REMEDY}") from error


def _plan_paths(root: Path) -> list[Path]:
    return [plan_path(root, stage) for stage in NETWORKS]


def _built_here(root: Path) -> dict[str, str]:
    """The plans that were built where the repository lies, with their sha256."""
    if not (root / PLANS_FILE).exists():
        return {}
    listed = listed_files(_read(root, PLANS_FILE), str(root), PLANS_FILE)
    for name in listed:
        if root / name not in _plan_paths(root):
            raise ModelError(f"model repository {root}: {PLANS_FILE} lists {name}, which is no plan; remove the list")
    return listed


def _refuse_byte_code(root: Path) -> None:
    """Python would run it in the place of the `model.py` that was signed."""
    for path in root.rglob(f"{_BYTE_CODE}/*"):
        name = path.relative_to(root)
        raise ModelError(f"model repository {root}: {name} is byte code, which nobody signed; remove it")
