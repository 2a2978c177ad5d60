"""The client as a package of its own: what it ships and what it needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import awarenet_client
import pytest

CLIENTS = Path(awarenet_client.__file__).parents[1]


def test_it_installs_alone_with_its_types(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", "77", reason="the package is built with it")
    source = shutil.copytree(
        CLIENTS, tmp_path / "source", ignore=shutil.ignore_patterns("__pycache__", "web", "mobile")
    )
    target = tmp_path / "target"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run([*install, "--target", target, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (target / "awarenet_client" / "py.typed").is_file()
    code = (
        "import awarenet_client, importlib.metadata as metadata;"
        "assert metadata.version('awarenet-client') == awarenet_client.__version__;"
        "print(awarenet_client.__file__, *metadata.requires('awarenet-client'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(target)}, cwd=tmp_path, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    where, *needs = told.stdout.split()
    assert Path(where).is_relative_to(target)
    assert sorted(need.split(">")[0] for need in needs) == ["numpy", "tritonclient[grpc,http]"]
