"""Puts a complete and checked model repository together."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from awarenet.errors import ConfigurationError, ModelError
from awarenet.policy import Policy, file_sha256
from awarenet.repository import JUDGED, LISTS, VERSION_FOLDER, ModelRepository, model_path, policy_path, write_manifest
from awarenet.stages import CASCADE, MANIFEST_FILE, META_MODEL, NETWORKS, POLICY_FILE, STAGES
from export.configs import TARGETS, check_configs
from export.signature import check_signature
from export.trees import TREE_FILES

TEMPLATE: Final = Path(__file__).resolve().parents[1] / "model_repository"
"""The static files of the repository: configurations and Python models."""

MARKER: Final = "# --- written by export assemble ---"
"""In the cascade's configurations, what follows this line is generated."""


def assemble(
    out: Path, models: Mapping[str, Path], trees: Path, policy: Path, *, template: Path = TEMPLATE
) -> ModelRepository:
    """Builds a model repository beside `out`, checks it, and only then puts it in the place of `out`.

    Args:
        out: The repository's folder; an older repository there is replaced. May be `template` itself.
        models: ONNX file of each network stage, by stage name.
        trees: Folder with the files of `export.trees`.
        policy: Policy file made for these models.
        template: Folder with the static files.

    Returns:
        The repository, verified.

    Raises:
        ConfigurationError: `out` is a folder of something else.
        ModelError: A file is missing or breaks its contract.
        PolicyError: The policy is malformed or was made for other models.
    """
    out, template = out.resolve(), template.resolve()
    if out.is_dir() and out != template and any(out.iterdir()) and not (out / MANIFEST_FILE).is_file():
        raise ConfigurationError(f"{out} is not empty and is no model repository; name another folder")
    _require_sources(models, trees, template)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
        fresh = Path(folder) / out.name
        _copy_template(template, fresh)
        for stage in NETWORKS:
            _place(models[stage.name], model_path(fresh, stage))
            check_signature(model_path(fresh, stage), stage)
        for name in TREE_FILES:
            _place(trees / name, fresh / META_MODEL.name / VERSION_FOLDER / name)
        _place(policy, policy_path(fresh))
        hashes = {stage.name: file_sha256(model_path(fresh, stage)) for stage in JUDGED}
        chosen = Policy.load(policy_path(fresh), hashes)
        _append_parameters(fresh, chosen)
        check_configs(fresh)
        write_manifest(fresh, chosen)
        ModelRepository.open(fresh)
        _replace(fresh, out, Path(folder) / "replaced")
    return ModelRepository(out, chosen)


def static_files(template: Path) -> list[Path]:
    """The files of a repository that are written by hand, relative to it; models, policy and manifest are not."""
    made = {Path(stage.name, VERSION_FOLDER, stage.file) for stage in NETWORKS}
    made |= {Path(META_MODEL.name, VERSION_FOLDER, name) for name in TREE_FILES}
    made |= {Path(CASCADE.name, VERSION_FOLDER, POLICY_FILE)}
    made |= set(map(Path, LISTS))
    files = (path.relative_to(template) for path in sorted(template.rglob("*")) if path.is_file())
    return [file for file in files if file not in made and file.suffix != ".plan" and "__pycache__" not in file.parts]


def _require_sources(models: Mapping[str, Path], trees: Path, template: Path) -> None:
    names = {stage.name for stage in NETWORKS}
    if models.keys() != names:
        raise ModelError(f"assemble: needs a model for each of {', '.join(sorted(names))}, got {', '.join(models)}")
    for stage in STAGES:
        if not (template / stage.name / TARGETS[0]).is_file():
            raise ModelError(f"assemble: the template {template} has no {stage.name}/{TARGETS[0]}")
    for path in (*models.values(), *(trees / name for name in TREE_FILES)):
        if not path.is_file():
            raise ModelError(f"assemble: {path} is missing; make it with `python -m export`")


def _copy_template(template: Path, fresh: Path) -> None:
    for file in static_files(template):
        _place(template / file, fresh / file)


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise ModelError(f"assemble: cannot copy {source} ({error})") from error


def _append_parameters(root: Path, policy: Policy) -> None:
    """Tells Triton's clients the policy and the versions: parameters of the cascade, read over the network."""
    parameters = {"policy": policy.to_json(), "policy_version": policy.version, "model_version": policy.model_version}
    lines = [MARKER + "\n"]
    for key, value in parameters.items():
        message = model_config_pb2.ModelConfig()
        message.parameters[key].string_value = value
        lines.append(text_format.MessageToString(message))
    for target in TARGETS:
        path = root / CASCADE.name / target
        if path.is_file():
            written = path.read_text(encoding="utf-8").split(MARKER)[0].rstrip("\n")
            path.write_text("\n".join([written, "", *lines]), encoding="utf-8")


def _replace(fresh: Path, out: Path, replaced: Path) -> None:
    """Swaps two folders by renames; a failure puts the old one back."""
    existed = out.exists()
    if existed:
        out.rename(replaced)
    try:
        fresh.rename(out)
    except OSError:
        if existed:
            replaced.rename(out)
        raise
