"""Helm's own engine: the chart lints, every profile renders, and values that make no sense are refused by name."""

from __future__ import annotations

import copy
from typing import Any

import helm_python
import jsonschema
import pytest

from tests.chart.rendering import CHART, PROFILES, all_values, merged, named, nested, render, values_of
from tests.chart.schemas import MINORS, check


@pytest.mark.parametrize("profile", ["default", *PROFILES])
def test_the_chart_lints(profile: str) -> None:
    report = helm_python.lint(CHART, values_of(profile), strict=True, kube_version="v1.34.0")
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("profile", ["default", *PROFILES])
def test_objects_are_what_kubernetes_takes(profile: str, minor: str) -> None:
    for item in render(profile):
        check(item, minor)


@pytest.mark.parametrize(
    ("profile", "kind", "name", "path", "value"),
    [
        ("cpu", "Deployment", "demo-awarenet-triton-blue", "spec.template.spec.container", []),
        ("cpu", "Service", "demo-awarenet", "spec.ports", [{"port": "eighty"}]),
        ("gpu-cloud", "ScaledObject", "demo-awarenet-triton-blue", "spec.minReplicas", 2),
        ("gpu-cloud", "HTTPRoute", "demo-awarenet", "spec.rules", [{"backendRefs": [{"name": "a", "port": "http"}]}]),
        ("gpu-cloud", "ExternalSecret", "awarenet", "spec.secretStoreRef", {"store": "vault"}),
        ("cpu", "ServiceMonitor", "demo-awarenet-gateway", "spec.podMetricsEndpoints", []),
    ],
)
def test_an_object_that_kubernetes_would_refuse_is_noticed(
    profile: str, kind: str, name: str, path: str, value: object
) -> None:
    item = named(render(profile), kind, name)
    check(item, MINORS[0])
    broken = merged(copy.deepcopy(item), nested(path, value))
    with pytest.raises(jsonschema.ValidationError):
        check(broken, MINORS[0])


GREEN = nested("models.slots.green.enabled", True)
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("a misspelt key", {"gatway": {}}, "gatway"),
    ("a misspelt key below", nested("gateway.replica", 3), "replica"),
    ("an unknown profile", {"profile": "tpu"}, "/profile"),
    ("an unknown layout", {"layout": "sidecar"}, "/layout"),
    ("the tag latest", nested("images.gateway.tag", "latest"), "/images/gateway/tag"),
    ("a digest that is none", nested("images.triton.digest", "sha256:12"), "/images/triton/digest"),
    ("a number as text", nested("gateway.replicas", "3"), "/gateway/replicas"),
    ("a privileged port", nested("gateway.port", 80), "/gateway/port"),
    ("a limit without a unit", nested("triton.resources.limits.memory", "2000000"), "/triton/resources/limits/memory"),
    ("no limit", nested("triton.resources.limits", {"memory": None}), "/triton/resources/limits"),
    ("both bounds of a budget", nested("gateway.pdb.minAvailable", 1), "/gateway/pdb"),
    ("neither bound of a budget", nested("gateway.pdb.maxUnavailable", ""), "/gateway/pdb"),
    ("a budget that nobody can keep", nested("gateway.pdb.maxUnavailable", 0), "/gateway/pdb"),
    ("an update that cannot move", nested("triton.strategy.maxSurge", 0), "/triton/strategy"),
    ("a setting that the chart owns", nested("gateway.settings.port", 9000), "propertyName 'port'"),
    ("a setting in another spelling", nested("gateway.settings.logLevel", "debug"), "propertyName 'logLevel'"),
    ("a GPU resource that is none", nested("triton.gpu.resource", "amd.com/gpu"), "/triton/gpu/resource"),
    ("a proxy that is no network", nested("gateway.proxies", ["ingress.svc"]), "/gateway/proxies"),
    ("proxies in another place", nested("gateway.settings.proxies", ["10.0.0.0/8"]), "propertyName 'proxies'"),
    ("an edge without a certificate", nested("envoy.enabled", True), "/envoy/tls/secret"),
    (
        "an edge for a Triton that nobody else reaches",
        merged({"layout": "pair"}, nested("envoy", {"enabled": True, "tls": {"secret": "edge"}})),
        "envoy.ports.triton",
    ),
    ("an Ingress without a host", nested("ingress.enabled", True), "/ingress/hosts"),
    ("a route without a Gateway", nested("httpRoute.enabled", True), "/httpRoute/parentRefs"),
    ("an ExternalSecret without a store", nested("secrets.external.enabled", True), "/secrets/external/storeName"),
    ("a live slot that does not run", nested("models.live", "green"), "/models/slots/green/enabled"),
    ("a canary without another slot", nested("models.canary.weight", 5), "/models/slots/green/enabled"),
    ("a canary that nothing shares out", merged(GREEN, nested("models.canary.weight", 5)), "/httpRoute/enabled"),
    ("a shadow without another slot", nested("models.shadow.share", 0.5), "/models/slots/green/enabled"),
    ("a share above one", nested("models.shadow.share", 2), "/models/shadow/share"),
    ("a shadow in a pair", merged(GREEN, nested("models.shadow.share", 0.5), {"layout": "pair"}), "/layout"),
    ("a source of another kind", nested("models.slots.blue.source", "ftp://a/b"), "/models/slots/blue/source"),
    ("a claim's path without the claim", nested("models.slots.blue.source", "/source"), "/models/slots/blue/claim"),
    ("the file of a trusted key", nested("models.trustedKeys", ["models.key.pub"]), "/models/trustedKeys"),
    ("plans without a GPU", nested("models.plans.enabled", True), "/profile"),
    ("a GPU target on a CPU", nested("triton.target", "tensorrt"), "/triton/target"),
    (
        "tensorrt without plans",
        merged({"profile": "gpu"}, nested("triton.target", "tensorrt")),
        "/models/plans/enabled",
    ),
    ("SQLite for two gateways", nested("database.enabled", False), "/gateway/replicas"),
    (
        "SQLite under an autoscaler",
        merged(nested("database.enabled", False), nested("gateway.replicas", 1), nested("autoscaling.engine", "keda")),
        "/autoscaling/engine",
    ),
    ("clips on a state that is not shared", nested("state.kind", "memory"), "/gateway/clipWorkers"),
    ("a shared volume of one node", nested("state.accessMode", "ReadWriteOnce"), "/state/accessMode"),
    ("a rule for everywhere", nested("networkPolicy.gatewayEgress", [{"ports": [{"port": 443}]}]), "/networkPolicy"),
    (
        "traces to a path",
        nested("monitoring.traces.endpoint", "http://c:4318/v1/traces"),
        "/monitoring/traces/endpoint",
    ),
    ("traces of the gateway alone", nested("gateway.settings.traces_endpoint", "http://c:4318"), "traces_endpoint"),
    ("an unknown autoscaler", nested("autoscaling.engine", "vpa"), "/autoscaling/engine"),
    (
        "scaling down above scaling up",
        merged(nested("autoscaling.engine", "keda"), nested("autoscaling.scaleDownAt", 0.9)),
        "scaleDownAt",
    ),
    (
        "more at least than at most",
        merged(nested("autoscaling.engine", "keda"), nested("gateway.autoscaling.min", 99)),
        "gateway.autoscaling.min",
    ),
    ("a probe shorter than its question", nested("probes.timeoutSeconds", 1), "/probes/timeoutSeconds"),
]


@pytest.mark.parametrize(("values", "where"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_values_that_make_no_sense_are_refused_by_name(values: dict[str, Any], where: str) -> None:
    with pytest.raises((helm_python.HelmValuesError, helm_python.HelmRenderError)) as refused:
        render("default", values)
    assert where in str(refused.value)


def test_the_schema_knows_every_value_and_no_other() -> None:
    with helm_python.Chart.load(CHART) as chart:
        schema = chart.schema
    assert schema is not None
    assert set(all_values("default")) == set(schema["properties"]) - {"global"} == set(schema["required"])

    def closed(part: Any, path: str) -> None:
        if isinstance(part, dict):
            if part.get("type") == "object" and "properties" in part:
                assert part.get("additionalProperties") is False, path
            for key, inner in part.items():
                if key not in ("if", "then", "else", "not", "allOf", "oneOf"):
                    closed(inner, f"{path}/{key}")

    closed(schema, "")
