"""Argo CD and Flux: the examples are well formed, and what they would install keeps every rule of the chart."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart.rendering import (
    CHART,
    ROOT,
    Manifest,
    Manifests,
    merged,
    named,
    nested,
    objects,
    of_kind,
    render,
    values_of,
)
from tests.chart.rules import RULES
from tests.chart.schemas import MINORS, check

K8S = ROOT / "k8s"
EXAMPLES = sorted([*(K8S / "argocd").glob("*.yaml"), *(K8S / "flux").glob("*.yaml")])


def example(path: str) -> Manifest:
    """The one object of a file."""
    (found,) = objects((K8S / path).read_text(encoding="utf-8"))
    return found


def filled(value: Any, element: dict[str, str]) -> Any:
    """What a template becomes for an element of the list: every placeholder is a name of it."""
    text = re.sub(r"\{\{ \.(\w+) \}\}", lambda found: element[found[1]], yaml.safe_dump(value))
    assert "{{" not in text
    return yaml.safe_load(text)


def argo_values(spec: Manifest) -> list[dict[str, Any]]:
    """The values of an Application, the later over the earlier."""
    helm = spec["source"]["helm"]
    assert ROOT / spec["source"]["path"] == CHART
    layers = [values_of(Path(file).name.removesuffix("-values.yaml")) for file in helm["valueFiles"]]
    assert all((CHART / file).is_file() for file in helm["valueFiles"])
    layers.append(helm["valuesObject"])
    for parameter in helm.get("parameters", []):
        value = yaml.safe_load(parameter["value"])  # As `--set` takes it: a number where it looks like one.
        path, _, index = parameter["name"].partition("[")
        layers.append(nested(path, [value] if index == "0]" else value))
    return layers


def applications() -> dict[str, Manifest]:
    """The `spec` of every Application, those that the set makes among them."""
    whole = example("argocd/applicationset.yaml")["spec"]
    (generator,) = whole["generators"]
    made = {one["cluster"]: filled(whole["template"]["spec"], one) for one in generator["list"]["elements"]}
    return {"application": example("argocd/application.yaml")["spec"], **made}


def installs() -> dict[str, dict[str, Any]]:
    """The values of everything that the examples would install."""
    found = {name: merged(*argo_values(spec)) for name, spec in applications().items()}
    return {**found, "flux": example("flux/release.yaml")["spec"]["values"]}


def installed(name: str) -> Manifests:
    """What an example brings to its cluster."""
    return render("default", installs()[name], release="awarenet", namespace="awarenet")


NAMES = sorted(installs())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_well_formed(path: Path) -> None:
    for item in objects(path.read_text(encoding="utf-8")):
        check(item, MINORS[-1])


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("argocd/application.yaml", "spec.source.helm.valueFile", "a.yaml"),
        ("argocd/application.yaml", "spec.syncPolicy.syncOptions", ["CreateNamespace"]),
        ("argocd/application.yaml", "spec.destination.name", "also"),
        ("argocd/applicationset.yaml", "spec.strategy.type", "Rolling"),
        ("flux/release.yaml", "spec.test.enabled", True),
        ("flux/release.yaml", "spec.upgrade.remediation.strategy", "undo"),
        ("flux/source.yaml", "spec.url", "https://registry.example.com/charts"),
    ],
)
def test_a_malformed_example_is_noticed(path: str, field: str, value: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(merged(copy.deepcopy(example(path)), nested(field, value)), MINORS[-1])


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("install", NAMES)
def test_what_an_example_installs_keeps_the_rules(install: str, name: str) -> None:
    assert list(RULES[name](installed(install))) == []


def test_each_cluster_is_at_its_own_step_of_a_release_of_models() -> None:
    at = {}
    for name in ("staging", "europe", "america"):
        (route,) = of_kind(installed(name), "HTTPRoute")
        front = named(installed(name), "Service", "awarenet")["spec"]["selector"]["awarenet.io/slot"]
        backends = {one["name"]: one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]}
        at[name] = (route["spec"]["hostnames"], front, backends.get("awarenet-gateway-green", 0))
    assert at == {
        "staging": (["staging.example.com"], "green", 0),
        "europe": (["eu.example.com"], "blue", 10),
        "america": (["us.example.com"], "blue", 0),
    }


@pytest.mark.parametrize("name", sorted(applications()))
def test_argo_cd_asks_for_an_inference_after_each_sync(name: str) -> None:
    (pod,) = of_kind(installed(name), "Pod")
    assert pod["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PostSync"


def test_flux_takes_back_what_fails_its_inference_and_waits_as_long_as_kubernetes_does() -> None:
    spec = example("flux/release.yaml")["spec"]
    assert spec["test"] == {"enable": True, "ignoreFailures": False}
    assert spec["upgrade"]["remediation"]["strategy"] == "rollback"
    assert spec["chartRef"]["name"] == example("flux/source.yaml")["metadata"]["name"]
    deadlines = [item["spec"]["progressDeadlineSeconds"] for item in of_kind(installed("flux"), "Deployment")]
    assert int(spec["timeout"].removesuffix("m")) * 60 > max(deadlines)
