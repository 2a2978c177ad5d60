"""The Dockerfiles, as far as they can be checked without a container engine."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from dockerfile_parse import DockerfileParser
from packaging.requirements import Requirement
from typer.testing import CliRunner

from awarenet.cli import app
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
IMAGES = sorted((ROOT / "images").glob("*.Dockerfile"))
tomllib = pytest.importorskip("tomllib", reason="Python 3.11 reads TOML")
SERVED = {"triton", "triton-cpu", "gateway", "igpu"}

each = pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)


def steps(path: Path) -> list[dict[str, Any]]:
    """The instructions of a Dockerfile."""
    with path.open("rb") as file:
        return list(DockerfileParser(fileobj=file).structure)


def values(path: Path, instruction: str) -> list[str]:
    """The arguments of one kind of instruction, in order."""
    return [step["value"] for step in steps(path) if step["instruction"] == instruction]


def variables(path: Path) -> dict[str, str]:
    """What ENV sets in the last stages."""
    return dict(word.split("=", 1) for line in values(path, "ENV") for word in shlex.split(line))


def tracked(*paths: str) -> list[str]:
    """Files in git below paths."""
    listed = subprocess.run(["git", "ls-files", "--", *paths], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this copy of the project is no git checkout")
    return listed.stdout.splitlines()


@each
def test_hadolint_has_nothing_to_say(path: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(hadolint), "--no-color", str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@each
def test_every_copied_file_is_in_git_and_let_in(path: Path) -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in values(path, "COPY"):
        words = shlex.split(line)
        if words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in {step.split(" AS ")[1] for step in values(path, "FROM")}
            continue
        for source in words[:-1]:
            assert tracked(source), f"{source} is not in git"
            assert any(f"{source}/".startswith(f"{allowed}/") for allowed in let_in), f"{source} is in no .dockerignore"


@each
def test_what_the_wheel_is_made_of_is_copied(path: Path) -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {*built["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], built["project"]["readme"]}
    needed |= {"pyproject.toml", "constraints.txt", *built["project"]["license-files"]}
    assert needed <= {word for line in values(path, "COPY") for word in shlex.split(line)[:-1]}


@each
def test_base_images_come_by_argument_with_a_tag_that_is_not_latest(path: Path) -> None:
    first = [step["instruction"] for step in steps(path)].index("FROM")
    arguments = dict(step["value"].split("=", 1) for step in steps(path)[:first] if step["instruction"] == "ARG")
    stages = set()
    for line in values(path, "FROM"):
        base, stage = line.split(" AS ")
        assert base in stages or base.strip("${}") in arguments, f"{base} cannot be pinned by a build argument"
        stages.add(stage)
    for image in arguments.values():
        assert re.search(r":[^:/@]+(@sha256:[0-9a-f]{64})?$", image) and ":latest" not in image


@each
def test_it_does_not_run_as_root_and_says_what_it_is(path: Path) -> None:
    assert values(path, "USER")[-1] == "10001:10001"
    labels = " ".join(values(path, "LABEL"))
    for name in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels


@each
def test_what_it_writes_to_belongs_to_its_user(path: Path) -> None:
    made = {word for line in values(path, "RUN") for word in line.split() if word.startswith("/")}
    environment = variables(path)
    assert environment["AWARENET_CACHE"] in made and environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environment.get("AWARENET_STATE_FOLDER", "/models") in made
    table = (ROOT / "images" / "README.md").read_text()
    for folder in made & {"/models", "/plans", "/var/cache/awarenet", "/var/lib/awarenet"}:
        assert f"`{folder}`" in table, f"{folder} is not among the writable paths of images/README.md"


@each
def test_the_settings_it_makes_exist(path: Path) -> None:
    own = {"AWARENET_CACHE"} | {f"AWARENET_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in variables(path) if name.startswith("AWARENET_")} <= own


@each
def test_the_commands_it_runs_exist(path: Path) -> None:
    for line in values(path, "CMD"):
        words = [str(word) for word in json.loads(line)]
        if words[0] == "awarenet":
            options = CliRunner().invoke(app, [words[1], "--help"], env={"COLUMNS": "200"})
        else:
            assert words[:3] == ["python", "-m", "gateway"]
            gateway = importlib.import_module("gateway.__main__").app
            options = CliRunner().invoke(gateway, [words[3], "--help"], env={"COLUMNS": "200"})
        assert options.exit_code == 0
        for word in words:
            assert not word.startswith("--") or word in options.stdout


@each
def test_what_it_installs_is_in_the_constraints(path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = project["optional-dependencies"]

    def wanted(extra: str) -> set[str]:
        found = set()
        for requirement in map(Requirement, extras[extra]):
            found |= (
                set().union(*(wanted(name) for name in requirement.extras))
                if requirement.name == "awarenet"
                else {requirement.name}
            )
        return found

    (install,) = (line for line in values(path, "RUN") if "pip install" in line)
    words = shlex.split(install.split("pip install")[1])
    assert "--constraint" in words and words[words.index("--constraint") + 1] == "constraints.txt"
    names = {Requirement(text).name for text in project["dependencies"]}
    for word in words[words.index("constraints.txt") + 1 :]:
        own = re.fullmatch(r"\.\[([a-z,]+)\]", word)
        names |= set().union(*(wanted(extra) for extra in own[1].split(","))) if own else {word}
    assert {name.lower() for name in names} <= pinned
    assert not names & {"torch", "lightgbm", "treelite"}, "an image that serves needs no training framework"


def test_the_jetson_image_is_the_gpu_image_on_another_base() -> None:
    assert {image.stem for image in IMAGES} == SERVED
    twins = [ROOT / "images" / f"{name}.Dockerfile" for name in ("triton", "igpu")]
    plain = [
        [
            (step["instruction"], step["value"])
            for step in steps(twin)
            if step["instruction"] not in ("COMMENT", "ARG", "LABEL")
        ]
        for twin in twins
    ]
    assert plain[0] == plain[1], "the Jetson image differs from the GPU image by its base alone"


def test_the_wheel_carries_every_file_of_its_packages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    files = tracked("awarenet", "gateway", "export", "clients/awarenet_client")
    assert {name.removeprefix("clients/") for name in files} <= names
