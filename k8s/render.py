"""Writes the Kustomize manifests from the Helm chart.

`python -m k8s.render` writes `base/` (the chart's defaults), `rules/` (the alerts) and an overlay for each profile of
the chart in `OVERLAYS`: what it adds as files, what it changes as strategic merge patches, each named as the chart's
template is.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import helm_python
import typer
import yaml

HERE: Final = Path(__file__).parent
CHART: Final = HERE.parent / "helm" / "awarenet"
NAME: Final = "awarenet"
"""The name of the release, and of the namespace where no other is asked for."""

OVERLAYS: Final = ("air-gapped", "cpu", "edge-jetson", "gpu-cloud")
"""Profiles of the chart; `multi-tenant` is not among them, because all of its objects have names of their own."""

FOLDERS: Final = ("base", "rules", "overlays")
"""What is written; whatever else is in them goes."""

Object: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str]

_NOTE: Final = (
    "# Written by `python -m k8s.render` from helm/awarenet; change the chart, or put an overlay of your own on it.\n"
)
_MERGED: Final = ("containers", "env", "volumes")
"""Lists whose items Kubernetes merges by their name."""
_REPLACED: Final = ("initContainers", "ports", "topologySpreadConstraints", "volumeMounts")
"""Lists that Kubernetes would merge as well, which here are given whole: their order matters, or they are short."""
_CORE: Final = {"v1", "apps/v1", "autoscaling/v2", "networking.k8s.io/v1", "policy/v1"}
_OURS: Final = ("gateway", "triton")
"""Containers whose images differ by profile."""


@dataclass
class _Layer:
    """The objects of a release by kind and name, and the template that each comes from."""

    objects: dict[Key, Object] = field(default_factory=dict)
    paths: dict[Key, str] = field(default_factory=dict)

    def without(self, other: _Layer) -> _Layer:
        """Those that the other has not."""
        return _Layer({key: item for key, item in self.objects.items() if key not in other.objects}, self.paths)

    def files(self) -> dict[str, list[Object]]:
        """The objects by the file that they are written to."""
        return _grouped((self.paths[key], item) for key, item in self.objects.items())

    def images(self) -> dict[str, str]:
        """The image of each of our containers."""
        return {one["name"]: one["image"] for one in _containers(self) if one["name"] in _OURS}


def render(namespace: str = NAME) -> dict[str, str]:
    """Path below `k8s/` and text of every file."""
    base = _layer({}, namespace)
    rules = _layer({"monitoring": {"rules": True}}, namespace).without(base)
    made = _kustomization("base", base, namespace, [], {"images": _images(base, base)})
    made |= _kustomization("rules", rules, namespace, [], {})
    for name in OVERLAYS:
        made |= _overlay(name, base, rules, namespace)
    return made


def _overlay(name: str, base: _Layer, rules: _Layer, namespace: str) -> dict[str, str]:
    values = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text(encoding="utf-8"))
    wanted = _layer(values, namespace)
    images = _images(base, wanted)
    _call_images_alike(base, wanted)
    parts, below = ["../../base"], _Layer(dict(base.objects), dict(base.paths))
    if rules.objects.keys() <= wanted.objects.keys():
        parts.append("../../rules")
        below.objects |= rules.objects
        below.paths |= rules.paths
    if values.get("monitoring", {}).get("dashboards", {}).get("enabled"):
        parts.append("../../../monitoring/dashboards")
    changes = _grouped(
        (f"patches/{below.paths[key]}", _change(item, wanted.objects[key]))
        for key, item in below.objects.items()
        if key in wanted.objects and wanted.objects[key] != item
    )
    # Each for itself: Kustomize fails on a file in which something else follows a deletion.
    gone = [_dump({**_identity(item), "$patch": "delete"}) for item in below.without(wanted).objects.values()]
    patches = [{"path": path} for path in sorted(changes)] + [{"patch": text} for text in gone]
    folder = f"overlays/{name}"
    made = _kustomization(folder, wanted.without(below), namespace, parts, {"images": images, "patches": patches})
    return made | {f"{folder}/{path}": _text(items) for path, items in changes.items()}


def _kustomization(
    folder: str, layer: _Layer, namespace: str, parts: list[str], more: dict[str, Any]
) -> dict[str, str]:
    """A kustomization with the files of a layer beside its parts."""
    files = layer.files()
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "labels": [{"pairs": {"app.kubernetes.io/managed-by": "kustomize"}}],
        "resources": [*parts, *sorted(files)],
        **{key: value for key, value in more.items() if value},
    }
    foreign = {item["kind"] for item in layer.objects.values() if item["apiVersion"] not in _CORE}
    needs = f"# The cluster must know: {', '.join(sorted(foreign))}.\n" if foreign else ""
    made = {f"{folder}/{path}": _text(items) for path, items in files.items()}
    return made | {f"{folder}/kustomization.yaml": _NOTE + needs + _dump(kustomization)}


def _layer(values: dict[str, Any], namespace: str) -> _Layer:
    """What the chart makes of values, less what is Helm's own: its labels and annotations, and the pod of its test."""
    values = copy.deepcopy(values) | {"test": {"enabled": False}}
    # They are ConfigMaps of files that lie in monitoring/dashboards, which has a kustomization of its own.
    values.setdefault("monitoring", {})["dashboards"] = {"enabled": False}
    layer = _Layer()
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values, name=NAME, namespace=namespace)
    for path, text in sorted(files.items()):
        if not path.endswith(".yaml"):
            continue
        for item in filter(None, yaml.safe_load_all(text)):
            metadata = item["metadata"]
            del metadata["namespace"], metadata["labels"]["app.kubernetes.io/managed-by"]
            for kind in ("labels", "annotations"):
                kept = {key: value for key, value in metadata.pop(kind, {}).items() if not key.startswith("helm.sh/")}
                metadata |= {kind: kept} if kept else {}
            key = (item["kind"], metadata["name"])
            layer.objects[key], layer.paths[key] = item, path.split("/templates/")[1]
    return layer


def _containers(layer: _Layer) -> Iterator[Object]:
    for item in layer.objects.values():
        if item["kind"] == "Deployment":
            spec = item["spec"]["template"]["spec"]
            yield from [*spec.get("initContainers", []), *spec["containers"]]


def _call_images_alike(base: _Layer, wanted: _Layer) -> None:
    """Names images as the base does: `images` of the kustomization alone says which they are."""
    theirs, ours = wanted.images(), base.images()
    names = {theirs[name]: ours[name] for name in _OURS}
    for container in _containers(wanted):
        container["image"] = names.get(container["image"], container["image"])


def _images(base: _Layer, wanted: _Layer) -> list[dict[str, str]]:
    found = []
    theirs, ours = wanted.images(), base.images()
    for name in _OURS:
        entry = {"name": ours[name].rsplit(":", 1)[0]}
        image, _, digest = theirs[name].partition("@")
        new, _, tag = (image, "", "") if digest else image.rpartition(":")
        entry |= {"newName": new} if new != entry["name"] else {}
        found.append(entry | ({"digest": digest} if digest else {"newTag": tag}))
    return found


def _identity(item: Object) -> Object:
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": {"name": item["metadata"]["name"]}}


def _change(before: Object, after: Object) -> Object:
    change, metadata = _patch(before, after), _identity(before)["metadata"]
    return _identity(before) | change | {"metadata": metadata | change.get("metadata", {})}


def _patch(before: Object, after: Object) -> Object:
    """What makes one mapping of another, as a strategic merge patch."""
    patch: Object = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if old == value:
            continue
        if isinstance(old, dict) and isinstance(value, dict):
            patch[key] = _patch(old, value)
        elif isinstance(old, list) and key in _MERGED:
            patch[key] = _patch_items(old, value)
        else:
            patch[key] = [{"$patch": "replace"}, *value] if old and key in _REPLACED else value
    return patch


def _patch_items(before: list[Object], after: list[Object]) -> list[Object]:
    old, new = ({item["name"]: item for item in items} for items in (before, after))
    changed = [
        {"name": name, **_patch(old[name], item)} if name in old else item
        for name, item in new.items()
        if old.get(name) != item
    ]
    return changed + [{"$patch": "delete", "name": name} for name in old if name not in new]


def _grouped(items: Iterator[tuple[str, Object]]) -> dict[str, list[Object]]:
    files: dict[str, list[Object]] = {}
    for path, item in items:
        files.setdefault(path, []).append(item)
    return files


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _scalar(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _scalar)


def _dump(item: Object) -> str:
    return yaml.dump(item, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def _text(items: list[Object]) -> str:
    return _NOTE + "---\n".join(map(_dump, items))


def write(folder: Path, namespace: str) -> None:
    """Writes every file, and removes what was there before."""
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for path, text in render(namespace).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def main(
    namespace: Annotated[str, typer.Option(help="Where it shall run; autoscalers' queries name it.")] = NAME,
    folder: Annotated[Path, typer.Option(help="Where to write; base, rules and overlays in it are replaced.")] = HERE,
) -> None:
    """Writes the Kustomize manifests from the Helm chart."""
    helm_python.disable_logging()
    write(folder, namespace)


if __name__ == "__main__":
    typer.run(main)
