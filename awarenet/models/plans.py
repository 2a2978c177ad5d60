"""Giving a fetched model repository TensorRT plans for the GPU at hand."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from awarenet.errors import AwareNetError, ConfigurationError, ReportError
from awarenet.models.versions import ADDED, Versions
from awarenet.repository import PLAN_FILE, ModelRepository, plan_path, write_plans
from awarenet.runtime.installation import Target
from awarenet.signing import TrustedKeys
from awarenet.stages import NETWORKS, PLANS_FILE

_KEY_DIGITS: Final = 12

_log = structlog.get_logger("models")


def install_plans(folder: Path, cache: Path, trusted: TrustedKeys | None = None) -> Target:
    """Makes TensorRT serve a repository where it can, and ONNX Runtime where it cannot.

    The repository gets a version of its own beside the fetched one, with plans and a list of them, and `folder` is
    switched to it. The server sees by the plans what is to run (`awarenet.runtime.server`).

    Args:
        folder: A repository that was fetched (`awarenet.models.fetch`).
        cache: Folder where plans are kept, by model, GPU and TensorRT version; machines may share it.
        trusted: Keys of those who may sign the repository; None asks for no signature.

    Returns:
        The target that the server will take.

    Raises:
        ModelError: The repository is not intact, or not signed as it must be.
        ConfigurationError: The repository was not fetched.
        ReportError: The repository's folder cannot be written.
    """
    versions = Versions(folder, trusted)
    with versions.locked():
        repository = ModelRepository.open(folder, trusted)
        current = versions.current
        if current is None:
            raise ConfigurationError(f"{folder} was not fetched; bring it with `awarenet models fetch`")
        fetched = current.partition("-")[0].partition(ADDED)[0]
        try:
            plans = _build(repository, cache)
        except AwareNetError as error:
            _log.warning("no TensorRT plans; ONNX Runtime serves these models", reason=str(error))
            if repository.has_plans:
                _use(versions, f"{fetched}{ADDED}none", repository, {})
            return "onnxruntime"
        key = hashlib.sha256(" ".join(sorted(plan.name for plan in plans.values())).encode()).hexdigest()
        _use(versions, f"{fetched}{ADDED}{key[:_KEY_DIGITS]}", repository, plans)
        return "tensorrt"


def _build(repository: ModelRepository, cache: Path) -> dict[str, Path]:
    """Stage name to its plan in the cache; builds those that are not there."""
    # Their libraries are not needed where the models are only fetched.
    import onnx

    from awarenet.models.tensorrt import Machine, build_plan, float_graph

    machine = Machine.here()
    plans = {stage.name: cache / machine.plan_name(repository.model_path(stage), stage) for stage in NETWORKS}
    for stage in NETWORKS:
        plan = plans[stage.name]
        if plan.is_file():
            _log.info("the plan is there already", plan=plan.name)
            continue
        _log.info("building a plan, which takes minutes", plan=plan.name)
        content = build_plan(float_graph(onnx.load(repository.model_path(stage))))
        try:
            cache.mkdir(parents=True, exist_ok=True)
            partial = plan.with_suffix(f".{os.getpid()}")
            partial.write_bytes(content)
            partial.replace(plan)
        except OSError as error:
            raise ReportError(f"{plan} cannot be written ({error.strerror}); give a writable --cache") from error
    return plans


def _use(versions: Versions, name: str, repository: ModelRepository, plans: Mapping[str, Path]) -> None:
    """Switches to a version of the repository with these plans and no others."""
    if there := versions.find(name):
        versions.use(there)
        return
    with versions.staged(name) as fresh:
        unwanted = shutil.ignore_patterns(PLAN_FILE, PLANS_FILE, "__pycache__")
        shutil.copytree(repository.root, fresh, dirs_exist_ok=True, ignore=unwanted)
        for stage in NETWORKS:
            if stage.name in plans:
                shutil.copyfile(plans[stage.name], plan_path(fresh, stage))
        write_plans(fresh)
