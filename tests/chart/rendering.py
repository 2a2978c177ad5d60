"""The chart, rendered by Helm's own engine without a cluster."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "awarenet"
RELEASE, NAMESPACE = "demo", "awarenet-ns"
PROFILES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))

Manifest = dict[str, Any]
Manifests = list[Manifest]


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, which the plain loader lets pass."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]  # type: ignore[no-untyped-call]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"keys given twice: {twice} in {node.start_mark}")
        return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]


@cache
def _chart() -> helm_python.Chart:
    helm_python.disable_logging()
    return helm_python.Chart.load(CHART)


def values_of(profile: str) -> dict[str, Any]:
    """What a profile changes; `default` changes nothing."""
    if profile == "default":
        return {}
    found: dict[str, Any] = yaml.load((CHART / "ci" / f"{profile}-values.yaml").read_text(), _Loader)
    return found


def all_values(profile: str) -> dict[str, Any]:
    """Every value under a profile."""
    return _chart().merge_values(values_of(profile))


def nested(path: str, value: object) -> dict[str, Any]:
    """`nested("a.b", 1)` is `{"a": {"b": 1}}`."""
    result: Any = value
    for key in reversed(path.split(".")):
        result = {key: result}
    return result  # type: ignore[no-any-return]


def merged(*layers: dict[str, Any]) -> dict[str, Any]:
    """Values on values, as `helm -f a -f b` does."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def render(
    profile: str = "default", *changes: dict[str, Any], release: str = RELEASE, namespace: str = NAMESPACE
) -> Manifests:
    """The objects of a release, notes left out."""
    values = json.dumps(merged(values_of(profile), *changes))
    return [copy.deepcopy(item) for item in _rendered(values, release, namespace)]


@cache
def _rendered(values: str, release: str, namespace: str) -> tuple[Manifest, ...]:
    files = _chart().render(json.loads(values), name=release, namespace=namespace)
    return tuple(item for path, text in sorted(files.items()) if path.endswith(".yaml") for item in objects(text))


def objects(text: str) -> Manifests:
    """The objects in a stream of YAML."""
    return [item for item in yaml.load_all(text, _Loader) if item]


def notes(profile: str = "default") -> str:
    """What `helm install` prints."""
    files = _chart().render(values_of(profile), name=RELEASE, namespace=NAMESPACE)
    return files["awarenet/templates/NOTES.txt"]


def of_kind(manifests: Manifests, *kinds: str) -> Manifests:
    """The objects of these kinds."""
    return [item for item in manifests if item["kind"] in kinds]


def named(manifests: Manifests, kind: str, name: str) -> Manifest:
    """The one object of a kind with a name."""
    (found,) = [item for item in manifests if item["kind"] == kind and item["metadata"]["name"] == name]
    return found


def pods(manifests: Manifests) -> Iterator[tuple[str, dict[str, str], Manifest]]:
    """Name, labels and `spec` of every pod, be it of a Deployment or by itself."""
    for item in manifests:
        name = f"{item['kind']} {item['metadata']['name']}"
        if item["kind"] == "Pod":
            yield name, item["metadata"]["labels"], item["spec"]
        elif item["kind"] == "Deployment":
            template = item["spec"]["template"]
            yield name, template["metadata"]["labels"], template["spec"]


def containers(spec: Manifest) -> list[Manifest]:
    """All containers of a pod, those that run before it among them."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def lasting(spec: Manifest) -> list[Manifest]:
    """The containers that run as long as the pod: sidecars are init containers that are always restarted."""
    return [one for one in spec.get("initContainers", []) if one.get("restartPolicy") == "Always"] + spec["containers"]


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a selector chooses these labels; an empty one chooses nothing here."""
    return bool(selector) and selector.items() <= labels.items()


def quantity(text: str | int | float) -> float:
    """A Kubernetes quantity as a number: bytes, processors or a count."""
    units = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "m": 1e-3}
    word = str(text)
    unit = next((unit for unit in units if word.endswith(unit)), "")
    return float(word.removesuffix(unit)) * units.get(unit, 1)


def environment(container: Manifest) -> dict[str, Any]:
    """Environment variables: a value, or what it comes from."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container.get("env", [])}
