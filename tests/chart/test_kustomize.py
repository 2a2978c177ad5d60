"""The Kustomize manifests: committed is what the chart makes, and Kustomize builds what Helm installs."""

from __future__ import annotations

import copy
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.render import FOLDERS, HERE, NAME, OVERLAYS, render, write
from tests.chart.rendering import Manifest, Manifests, nested, objects
from tests.chart.rendering import render as chart
from tests.chart.rules import RULES
from tests.chart.schemas import MINORS, check

BUILT = {"default": "base", **{name: f"overlays/{name}" for name in OVERLAYS}}
"""The folder for each profile of the chart."""

DASHBOARDS = HERE.parent / "monitoring" / "dashboards"


@cache
def _built(folder: Path) -> tuple[Manifest, ...]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl, which has Kustomize inside; install it to build the overlays")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(objects(done.stdout))


def built(folder: Path) -> Manifests:
    """What Kustomize makes of a folder."""
    return [copy.deepcopy(item) for item in _built(folder)]


def ordered(value: Any) -> Any:
    """Lists of named things by name: a patch may put one at another place."""
    if isinstance(value, dict):
        return {
            key: sorted(map(ordered, inner), key=lambda one: str(one["name"]))
            if key in ("containers", "env", "volumes")
            else ordered(inner)
            for key, inner in value.items()
        }
    return [ordered(inner) for inner in value] if isinstance(value, list) else value


def own(item: Manifest) -> Manifest:
    """An object without what Helm or Kustomize says of itself."""
    metadata = item["metadata"]
    for kind in ("labels", "annotations"):
        kept = {key: value for key, value in metadata.pop(kind, {}).items() if "helm.sh/" not in key}
        kept.pop("app.kubernetes.io/managed-by", None)
        metadata |= {kind: kept} if kept else {}
    return ordered(item)  # type: ignore[no-any-return]


def by_name(manifests: Manifests) -> dict[tuple[str, str], Manifest]:
    """The objects by kind and name, dashboards apart."""
    found = {(item["kind"], item["metadata"]["name"]): own(item) for item in manifests}
    return {key: item for key, item in found.items() if "-dashboard-" not in key[1]}


def test_what_is_committed_is_what_the_chart_makes() -> None:
    there = {
        str(path.relative_to(HERE)): path.read_text(encoding="utf-8")
        for folder in FOLDERS
        for path in (HERE / folder).rglob("*")
        if path.is_file()
    }
    assert there == render(), "run `python -m k8s.render` and commit what it writes"


@pytest.mark.parametrize("profile", BUILT)
def test_kustomize_builds_what_helm_installs(profile: str) -> None:
    installed = chart(profile, nested("test.enabled", False), release=NAME, namespace=NAME)
    assert by_name(built(HERE / BUILT[profile])) == by_name(installed)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("profile", BUILT)
def test_a_rule_holds_for_what_kustomize_builds(profile: str, name: str) -> None:
    assert list(RULES[name](built(HERE / BUILT[profile]))) == []


@pytest.mark.parametrize("profile", BUILT)
def test_what_kustomize_builds_is_what_kubernetes_takes_and_nothing_of_helm(profile: str) -> None:
    manifests = built(HERE / BUILT[profile])
    for item in manifests:
        check(item, MINORS[-1])
    assert "helm" not in yaml.safe_dump([item["metadata"] for item in manifests]).lower()


def test_dashboards_reach_the_cluster_as_they_are() -> None:
    found = [item for item in built(HERE / "overlays" / "gpu-cloud") if "-dashboard-" in item["metadata"]["name"]]
    assert {name: text for item in found for name, text in item["data"].items()} == {
        path.name: path.read_text(encoding="utf-8") for path in DASHBOARDS.glob("*.json")
    }
    installed = chart("gpu-cloud", release=NAME, namespace=NAME)
    wanted = {item["metadata"]["name"] for item in installed if "-dashboard-" in item["metadata"]["name"]}
    assert {item["metadata"]["name"] for item in found} == wanted


def test_an_overlay_on_top_moves_renames_and_pins(tmp_path: Path) -> None:
    """What a user does, with the files as they lie."""
    write(tmp_path, NAME)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(
        "namespace: elsewhere\nresources: [../base]\nimages: [{name: awarenet/gateway, newName: r/g, newTag: '9'}]\n"
    )
    manifests = built(mine)
    assert {item["metadata"]["namespace"] for item in manifests} == {"elsewhere"}
    text = yaml.safe_dump(manifests)
    assert "image: r/g:9\n" in text and "awarenet/gateway:" not in text
    assert "grpc://awarenet-triton-blue:8001" in text, "found in whatever namespace it is in"


@pytest.mark.parametrize("path", [HERE / folder for folder in ("rules", *BUILT.values())] + [DASHBOARDS], ids=str)
def test_a_kustomization_names_what_is_there(path: Path) -> None:
    """Without Kustomize: every file that is named exists, every file that exists is named."""
    loaded = yaml.safe_load((path / "kustomization.yaml").read_text(encoding="utf-8"))
    named = [*loaded.get("resources", []), *(one["path"] for one in loaded.get("patches", []) if "path" in one)]
    named += [file for one in loaded.get("configMapGenerator", []) for file in one["files"]]
    assert all((path / name).exists() for name in named)
    inside = {str(file.relative_to(path)) for file in path.rglob("*") if file.suffix in (".yaml", ".json")}
    assert inside - {"kustomization.yaml"} == {name for name in named if not name.startswith("../")}
