"""Which repository is served with TensorRT plans, and which without. No plan is built here: that needs a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from awarenet.cli import app
from awarenet.errors import ConfigurationError
from awarenet.models.fetch import fetch
from awarenet.models.plans import install_plans
from awarenet.models.tensorrt import Machine
from awarenet.repository import ModelRepository, plan_path
from awarenet.runtime.installation import Installation
from awarenet.stages import FAST_FILTER, NETWORKS

HERE = Machine("NVIDIA H100 80GB HBM3", "9.0", "10.5.0")


@pytest.fixture
def models(tiny_repository: Path, tmp_path: Path) -> Path:
    """A fetched repository."""
    fetch(str(tiny_repository), tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def cache(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that another pod on this GPU filled."""
    monkeypatch.setattr(Machine, "here", lambda: HERE)
    folder = tmp_path / "plans"
    folder.mkdir()
    for stage in NETWORKS:
        name = HERE.plan_name(ModelRepository.open(models).model_path(stage), stage)
        (folder / name).write_text(f"the plan of {stage.name}")
    return folder


def test_plans_of_the_cache_are_installed_beside_the_fetched_version(models: Path, cache: Path) -> None:
    fetched = models.resolve()
    assert install_plans(models, cache) == "tensorrt"
    repository = ModelRepository.open(models)
    assert repository.has_plans
    assert plan_path(models, FAST_FILTER).read_text() == "the plan of fast_filter"
    assert models.resolve() != fetched and not ModelRepository.open(fetched).has_plans


def test_a_second_start_changes_nothing(models: Path, cache: Path, tiny_repository: Path) -> None:
    install_plans(models, cache)
    version = models.resolve()
    fetch(str(tiny_repository), models)
    assert models.resolve() == version
    install_plans(models, cache)
    assert models.resolve() == version


def test_where_the_gpu_is_gone_the_plans_go_too(models: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plans(models, cache)
    fetched = ModelRepository.open(models).policy.model_version

    def gone() -> Machine:
        raise ConfigurationError("no NVIDIA GPU answers")

    monkeypatch.setattr(Machine, "here", gone)
    assert install_plans(models, cache) == "onnxruntime"
    repository = ModelRepository.open(models)
    assert not repository.has_plans and repository.policy.model_version == fetched


def test_another_gpu_does_not_take_this_ones_plans(models: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plans(models, cache)
    monkeypatch.setattr(Machine, "here", lambda: Machine("NVIDIA L4", "8.9", HERE.tensorrt))
    monkeypatch.setenv("PATH", "")  # Nothing to build with.
    assert install_plans(models, cache) == "onnxruntime"
    assert not ModelRepository.open(models).has_plans


def test_without_a_gpu_the_command_says_so_and_succeeds(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # No nvidia-smi, also on a machine that has one.
    arguments = ["models", "plans", str(models), "--cache", str(tmp_path / "plans")]
    answer = CliRunner().invoke(app, arguments)
    assert (answer.exit_code, answer.stdout) == (0, "onnxruntime\n")
    assert "no NVIDIA GPU answers" in answer.stderr and "ONNX Runtime serves these models" in answer.stderr
    assert CliRunner().invoke(app, [*arguments, "--required"]).exit_code == 1


def test_a_repository_that_was_not_fetched_is_left_alone(tiny_repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="was not fetched"):
        install_plans(tiny_repository, tmp_path)


@pytest.mark.parametrize(("plans", "target"), [(True, "tensorrt"), (False, "onnxruntime")])
def test_the_server_of_the_container_takes_tensorrt_where_there_are_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plans: bool, target: str
) -> None:
    server = tmp_path / "tritonserver"
    server.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Installation.find(plans=plans).target == target
    assert Installation.find("onnxruntime", plans=plans).target == "onnxruntime"


@pytest.mark.gpu
def test_plans_are_built_on_a_real_gpu(models: Path, tmp_path: Path) -> None:
    assert install_plans(models, tmp_path / "plans") == "tensorrt"
    assert len(list((tmp_path / "plans").glob("*.plan"))) == len(NETWORKS)
