"""Every rule holds for every profile, and each catches the manifest that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.rendering import (
    PROFILES,
    Manifest,
    Manifests,
    all_values,
    containers,
    environment,
    named,
    of_kind,
    pods,
    render,
)
from tests.chart.rules import RULES, provided, references

Break = Callable[[Manifests], Any]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("profile", ["default", *PROFILES])
def test_a_rule_holds(profile: str, name: str) -> None:
    assert list(RULES[name](render(profile))) == []


def container(manifests: Manifests, name: str) -> Manifest:
    """The first container of a name."""
    return next(one for _, _, spec in pods(manifests) for one in containers(spec) if one["name"] == name)


def pod(manifests: Manifests, component: str = "gateway") -> Manifest:
    """The `spec` of the first pod of a component."""
    return next(spec for _, labels, spec in pods(manifests) if labels["app.kubernetes.io/component"] == component)


def first(manifests: Manifests, kind: str) -> Manifest:
    return of_kind(manifests, kind)[0]


def argument(manifests: Manifests, old: str, new: str) -> None:
    arguments = container(manifests, "triton")["args"]
    arguments[:] = [word.replace(old, new) for word in arguments]
    assert any(new in word for word in arguments)


def variable(manifests: Manifests, name: str, value: str) -> None:
    entries = container(manifests, "gateway")["env"]
    entries[:] = [entry for entry in entries if entry["name"] != name] + [{"name": name, "value": value}]


def remove(manifests: Manifests, kind: str, ending: str = "") -> None:
    before = len(manifests)
    manifests[:] = [one for one in manifests if one["kind"] != kind or not one["metadata"]["name"].endswith(ending)]
    assert len(manifests) < before


CONTROLS: list[tuple[str, str, Break]] = [
    ("images_are_pinned", "cpu", lambda m: container(m, "triton").update(image="awarenet/triton:latest")),
    ("images_are_pinned", "cpu", lambda m: container(m, "gateway").update(image="registry:5000/awarenet/gateway")),
    ("resources_are_bounded", "cpu", lambda m: container(m, "triton")["resources"]["limits"].pop("memory")),
    ("resources_are_bounded", "cpu", lambda m: container(m, "gateway")["resources"]["requests"].update(cpu="64")),
    ("what_runs_is_probed", "edge-jetson", lambda m: container(m, "triton").pop("livenessProbe")),
    (
        "what_runs_is_probed",
        "cpu",
        lambda m: container(m, "triton")["readinessProbe"]["httpGet"].update(path="/v2/health/ready"),
    ),
    (
        "pod_security_is_restricted",
        "cpu",
        lambda m: pod(m)["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    ),
    ("pod_security_is_restricted", "cpu", lambda m: pod(m)["securityContext"].pop("seccompProfile")),
    ("pod_security_is_restricted", "cpu", lambda m: pod(m)["securityContext"].update(runAsUser=0)),
    ("pod_security_is_restricted", "cpu", lambda m: pod(m).update(hostNetwork=True)),
    (
        "pod_security_is_restricted",
        "gpu-cloud",
        lambda m: container(m, "fetch-models")["securityContext"].update(privileged=True),
    ),
    (
        "pod_security_is_restricted",
        "gpu-cloud",
        lambda m: container(m, "build-plans")["securityContext"].pop("readOnlyRootFilesystem"),
    ),
    (
        "pod_security_is_restricted",
        "cpu",
        lambda m: container(m, "inference")["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
    ),
    ("no_token_is_mounted", "cpu", lambda m: pod(m, "triton").pop("automountServiceAccountToken")),
    ("no_token_is_mounted", "cpu", lambda m: first(m, "ServiceAccount").update(automountServiceAccountToken=True)),
    ("objects_say_whose_they_are", "cpu", lambda m: first(m, "Ingress")["metadata"]["labels"].clear()),
    ("objects_say_whose_they_are", "cpu", lambda m: m.append(first(m, "Service"))),
    ("objects_say_whose_they_are", "cpu", lambda m: first(m, "Service")["metadata"].update(name="a" * 64)),
    (
        "disruption_budgets_can_be_kept",
        "cpu",
        lambda m: first(m, "PodDisruptionBudget")["spec"].update(maxUnavailable=0),
    ),
    (
        "disruption_budgets_can_be_kept",
        "multi-tenant",
        lambda m: first(m, "PodDisruptionBudget")["spec"].update(minAvailable=2),
    ),
    ("disruption_budgets_can_be_kept", "cpu", lambda m: first(m, "PodDisruptionBudget")["spec"].update(minAvailable=1)),
    ("disruption_budgets_can_be_kept", "cpu", lambda m: remove(m, "PodDisruptionBudget", "triton-blue")),
    (
        "selectors_match",
        "multi-tenant",
        lambda m: first(m, "Deployment")["spec"]["selector"]["matchLabels"].pop("awarenet.io/slot"),
    ),
    ("selectors_match", "cpu", lambda m: first(m, "Service")["spec"]["selector"].update({"awarenet.io/slot": "red"})),
    ("selectors_match", "cpu", lambda m: first(m, "ServiceMonitor")["spec"]["selector"]["matchLabels"].update(a="b")),
    (
        "selectors_match",
        "cpu",
        lambda m: pod(m)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"].update(a="b"),
    ),
    ("volumes_are_declared_and_used", "cpu", lambda m: pod(m)["volumes"].pop()),
    ("volumes_are_declared_and_used", "cpu", lambda m: pod(m)["volumes"].append({"name": "spare", "emptyDir": {}})),
    ("ports_line_up", "cpu", lambda m: argument(m, "--grpc-port=8001", "--grpc-port=9001")),
    ("ports_line_up", "cpu", lambda m: argument(m, "--host=0.0.0.0", "--host=127.0.0.1")),
    ("ports_line_up", "cpu", lambda m: variable(m, "AWARENET_PORT", "9000")),
    ("ports_line_up", "cpu", lambda m: variable(m, "AWARENET_SERVER", "grpc://demo-awarenet-triton-red:8001")),
    ("ports_line_up", "edge-jetson", lambda m: variable(m, "AWARENET_SERVER", "grpc://127.0.0.1:8009")),
    ("ports_line_up", "cpu", lambda m: container(m, "triton")["livenessProbe"]["httpGet"].update(port="http")),
    ("ports_line_up", "cpu", lambda m: first(m, "ServiceMonitor")["spec"]["endpoints"][0].update(port="metric")),
    (
        "ports_line_up",
        "gpu-cloud",
        lambda m: first(m, "PodMonitor")["spec"]["podMetricsEndpoints"][0].update(port="metric"),
    ),
    (
        "ports_line_up",
        "gpu-cloud",
        lambda m: first(m, "HTTPRoute")["spec"]["rules"][0]["backendRefs"][0].update(port=81),
    ),
    ("ports_line_up", "cpu", lambda m: remove(m, "Service", "demo-awarenet")),
    ("settings_load", "cpu", lambda m: variable(m, "AWARENET_WORKER", "2")),
    ("settings_load", "cpu", lambda m: variable(m, "AWARENET_QUEUE", "-1")),
    ("commands_exist", "cpu", lambda m: argument(m, "--health-port", "--healthy-port")),
    (
        "commands_exist",
        "cpu",
        lambda m: container(m, "gateway")["lifecycle"]["preStop"]["exec"]["command"].append("--now"),
    ),
    ("commands_exist", "cpu", lambda m: container(m, "inference")["args"].__setitem__(1, "ask")),
    ("pods_get_the_time_they_need_to_end", "cpu", lambda m: pod(m).update(terminationGracePeriodSeconds=60)),
    ("pods_get_the_time_they_need_to_end", "cpu", lambda m: pod(m, "triton").pop("terminationGracePeriodSeconds")),
    ("pods_get_the_time_they_need_to_end", "cpu", lambda m: argument(m, "--connection-age=30", "--connection-age=300")),
    (
        "pods_get_the_time_they_need_to_end",
        "cpu",
        lambda m: container(m, "gateway")["lifecycle"]["preStop"].update(
            exec={"command": ["touch", "/tmp/x;", "sleep 60"]}
        ),
    ),
    ("one_hand_holds_the_number_of_pods", "cpu", lambda m: first(m, "Deployment")["spec"].update(replicas=2)),
    ("one_hand_holds_the_number_of_pods", "default", lambda m: first(m, "Deployment")["spec"].pop("replicas")),
    (
        "one_hand_holds_the_number_of_pods",
        "cpu",
        lambda m: first(m, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"].update(name="other"),
    ),
    (
        "autoscalers_are_sane",
        "gpu-cloud",
        lambda m: first(m, "ScaledObject")["spec"]["triggers"][0]["metadata"].pop("ignoreNullValues"),
    ),
    ("autoscalers_are_sane", "gpu-cloud", lambda m: first(m, "ScaledObject")["spec"].update(minReplicaCount=0)),
    ("autoscalers_are_sane", "gpu-cloud", lambda m: first(m, "ScaledObject")["spec"]["fallback"].update(replicas=100)),
    ("autoscalers_are_sane", "cpu", lambda m: first(m, "HorizontalPodAutoscaler")["spec"]["behavior"].pop("scaleDown")),
    ("autoscalers_are_sane", "cpu", lambda m: remove(m, "PrometheusRule", "signals")),
    (
        "autoscalers_follow_metrics_that_exist",
        "gpu-cloud",
        lambda m: first(m, "ScaledObject")["spec"]["triggers"][0]["metadata"].update(
            query="sum(awarenet_gateway_inflight{a='b'})"
        ),
    ),
    (
        "autoscalers_follow_metrics_that_exist",
        "gpu-cloud",
        lambda m: first(m, "ScaledObject")["spec"]["triggers"][0]["metadata"].update(
            query="sum(nv_inference_pending_count{a='b'})"
        ),
    ),
    (
        "autoscalers_follow_metrics_that_exist",
        "gpu-cloud",
        lambda m: first(m, "ScaledObject")["spec"]["triggers"][0]["metadata"].update(query="vector(1)"),
    ),
    ("shared_memory_fits", "cpu", lambda m: container(m, "triton").update(volumeMounts=[])),
    ("shared_memory_fits", "cpu", lambda m: pod(m, "triton")["volumes"][0]["emptyDir"].update(sizeLimit="8Mi")),
    ("shared_memory_fits", "cpu", lambda m: pod(m, "triton")["volumes"][0]["emptyDir"].pop("medium")),
    ("shared_memory_fits", "cpu", lambda m: pod(m, "triton")["volumes"][0]["emptyDir"].update(sizeLimit="8Gi")),
    ("workers_fit_into_their_container", "cpu", lambda m: variable(m, "AWARENET_WORKERS", "32")),
    (
        "a_gpu_is_asked_for_where_there_is_work_for_it",
        "cpu",
        lambda m: container(m, "triton").update(image="a/triton:1"),
    ),
    ("a_gpu_is_asked_for_where_there_is_work_for_it", "edge-jetson", lambda m: pod(m).update(tolerations=[])),
    (
        "a_gpu_is_asked_for_where_there_is_work_for_it",
        "gpu-cloud",
        lambda m: container(m, "triton")["resources"]["requests"].pop("nvidia.com/gpu"),
    ),
    ("everything_is_denied_by_default", "cpu", lambda m: remove(m, "NetworkPolicy", "default-deny")),
    (
        "everything_is_denied_by_default",
        "cpu",
        lambda m: named(m, "NetworkPolicy", "demo-awarenet-callers-to-gateway")["spec"]["ingress"][0].pop("from"),
    ),
]


@pytest.mark.parametrize(("name", "profile", "damage"), CONTROLS, ids=[f"{c[0]}-{i}" for i, c in enumerate(CONTROLS)])
def test_a_rule_catches_what_breaks_it(name: str, profile: str, damage: Break) -> None:
    manifests = render(profile)
    damage(manifests)
    assert list(RULES[name](manifests))


def test_every_rule_has_something_that_breaks_it() -> None:
    assert set(RULES) == {name for name, _, _ in CONTROLS}


def external(profile: str) -> set[tuple[str, str]]:
    """What the values say is there without the chart."""
    values = all_values(profile)
    slots = [slot for slot in values["models"]["slots"].values() if slot["enabled"]]
    claims = [values["state"]["existingClaim"], values["models"]["plans"]["claim"], *(slot["claim"] for slot in slots)]
    secrets = [values["models"]["fetchSecret"], values["ingress"]["tlsSecret"], *values["images"]["pullSecrets"]]
    secrets.append(values["envoy"]["tls"]["secret"])
    if not values["secrets"]["external"]["enabled"]:
        secrets.append(values["secrets"]["name"])
    accounts = [values[component]["serviceAccount"]["name"] for component in ("gateway", "triton")]
    kinds = {"PersistentVolumeClaim": claims, "Secret": secrets, "ServiceAccount": accounts}
    return {(kind, name) for kind, names in kinds.items() for name in names if name}


@pytest.mark.parametrize("profile", ["default", *PROFILES])
def test_what_is_referred_to_is_brought_or_declared_external(profile: str) -> None:
    manifests = render(profile)
    assert references(manifests) - provided(manifests) - external(profile) == set()


def test_a_missing_reference_is_noticed() -> None:
    manifests = render("cpu")
    pod(manifests)["volumes"].append({"name": "x", "configMap": {"name": "nowhere"}})
    container(manifests, "gateway")["envFrom"] = [{"secretRef": {"name": "nobody"}}]
    remove(manifests, "ServiceAccount", "triton")
    assert references(manifests) - provided(manifests) - external("cpu") == {
        ("ConfigMap", "nowhere"),
        ("Secret", "nobody"),
        ("ServiceAccount", "demo-awarenet-triton"),
    }


def test_secrets_are_never_values_of_a_manifest() -> None:
    for profile in PROFILES:
        manifests = render(profile)
        assert not of_kind(manifests, "Secret")
        for name in ("AWARENET_MASTER_KEY", "AWARENET_FIRST_API_KEY"):
            assert "secretKeyRef" in environment(container(manifests, "gateway"))[name]
