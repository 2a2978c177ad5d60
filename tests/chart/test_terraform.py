"""The Terraform modules, by Terraform itself as far as its providers are on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chart.rendering import ROOT, merged, of_kind, pods, render
from tests.chart.rules import RULES

MODULES = ROOT / "k8s" / "terraform"
NAMES = sorted(path.parent.name for path in MODULES.glob("*/main.tf"))
TESTED = sorted(path.parent.name for path in MODULES.glob("*/tests"))
MIRROR = Path(os.environ.get("AWARENET_TERRAFORM_PLUGINS", "/opt/tf-plugins"))
"""Where providers are, as Terraform's `filesystem_mirror` has them; nothing is fetched."""

Run = Callable[..., str]


@pytest.fixture
def terraform(tmp_path: Path) -> Run:
    """Runs Terraform in a copy of a module, and gives what it printed; the test fails where Terraform does."""
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("no terraform on PATH")
    (tmp_path / "rc").write_text(f'provider_installation {{\n  filesystem_mirror {{ path = "{MIRROR}" }}\n}}\n')
    shutil.copytree(MODULES, tmp_path / "terraform")
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(tmp_path / "rc"), "CHECKPOINT_DISABLE": "1"}

    def run(module: str, *arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments],
            cwd=tmp_path / "terraform" / module,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if "Failed to query available provider packages" in done.stderr:
            pytest.skip(f"a provider of {module} is not in {MIRROR}; AWARENET_TERRAFORM_PLUGINS names another mirror")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def start(terraform: Run, module: str) -> None:
    terraform(module, "init", "-backend=false", "-input=false", "-no-color")


def test_the_files_are_formatted(terraform: Run) -> None:
    terraform(".", "fmt", "-check", "-diff", "-recursive")


@pytest.mark.parametrize("module", NAMES)
def test_a_module_is_valid(terraform: Run, module: str) -> None:
    start(terraform, module)
    assert json.loads(terraform(module, "validate", "-json"))["diagnostics"] == []


@pytest.mark.parametrize("module", TESTED)
def test_a_module_keeps_its_own_tests(terraform: Run, module: str) -> None:
    start(terraform, module)
    terraform(module, "test", "-no-color")


def test_the_values_of_a_pool_lead_triton_to_its_nodes_and_keep_the_rules(terraform: Run) -> None:
    start(terraform, "pool")
    toleration = {"key": "spot", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}
    given = {"name": "gpu", "nodes": {"min": 2, "max": 4}, "disk_gib": 100, "tolerations": [toleration]}
    words = [f"-var={key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in given.items()]
    terraform("pool", "apply", "-auto-approve", "-input=false", "-no-color", *words)
    made = {key: one["value"] for key, one in json.loads(terraform("pool", "output", "-json")).items()}
    manifests = render("gpu-cloud", merged(made["values"]))
    for name, check in RULES.items():
        assert list(check(manifests)) == [], name
    (triton,) = [spec for name, _, spec in pods(of_kind(manifests, "Deployment")) if "triton" in name]
    assert triton["nodeSelector"] == made["labels"]
    assert toleration in triton["tolerations"]
    assert any(one["key"] == made["taint"]["key"] and one["operator"] == "Exists" for one in triton["tolerations"])
