"""What a release is for: slots of models, flows, the end of a pod, monitoring, and the chart's own papers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from awarenet_client.memory import REGION_BYTES

from awarenet import __version__
from awarenet.models.keys import KEYS_VARIABLE
from awarenet.signing import TrustedKeys, make_key
from helm.readme import README, readme, values
from tests.chart.rendering import (
    CHART,
    NAMESPACE,
    PROFILES,
    RELEASE,
    ROOT,
    Manifests,
    all_values,
    containers,
    environment,
    merged,
    named,
    nested,
    notes,
    of_kind,
    quantity,
    render,
)

SLOTS = {"models": {"slots": {"green": {"enabled": True, "source": "s3://models/next"}}}}
ROUTE = {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}}


def server_of(manifests: Manifests, slot: str, variable: str = "AWARENET_SERVER") -> str | None:
    """The Triton that the gateways of a slot ask."""
    spec = named(manifests, "Deployment", f"demo-awarenet-gateway-{slot}")["spec"]["template"]["spec"]
    return environment(spec["containers"][0]).get(variable)


def front(manifests: Manifests) -> str:
    """The slot that callers reach."""
    return str(named(manifests, "Service", "demo-awarenet")["spec"]["selector"]["awarenet.io/slot"])


def weights(manifests: Manifests) -> dict[str, int]:
    """Per cent of the requests, by what answers them."""
    (route,) = of_kind(manifests, "HTTPRoute")
    return {one["name"]: one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]}


def test_no_gateway_ever_asks_two_versions_of_the_models() -> None:
    manifests = render("default", SLOTS)
    assert [server_of(manifests, slot) for slot in ("blue", "green")] == [
        f"grpc://demo-awarenet-triton-{slot}:8001" for slot in ("blue", "green")
    ]
    fetched = {
        item["metadata"]["name"]: containers(item["spec"]["template"]["spec"])[0]["args"]
        for item in of_kind(manifests, "Deployment")
        if item["spec"]["template"]["spec"].get("initContainers")
    }
    assert fetched == {
        "demo-awarenet-triton-green": ["awarenet", "models", "fetch", "s3://models/next", "/models/current"]
    }


def test_models_that_come_from_elsewhere_are_those_of_a_trusted_key(tmp_path: Path) -> None:
    keys = [make_key(tmp_path / name) for name in ("old", "new")]
    trusting = nested("models.trustedKeys", keys)

    def trusted(manifests: Manifests, slot: str) -> dict[str, str | None]:
        pod = named(manifests, "Deployment", f"demo-awarenet-triton-{slot}")["spec"]["template"]["spec"]
        return {one["name"]: environment(one).get(KEYS_VARIABLE) for one in containers(pod)}

    both = " ".join(keys)
    manifests = render("default", SLOTS, trusting)
    assert trusted(manifests, "green") == {"fetch-models": both, "triton": both}
    assert trusted(manifests, "blue") == {"triton": None}  # Inside the image.
    with_plans = trusted(render("gpu-cloud", trusting), "blue")
    assert with_plans == dict.fromkeys(("fetch-models", "build-plans", "triton"), both)


def test_the_key_of_the_example_is_one() -> None:
    keys = TrustedKeys.named(all_values("gpu-cloud")["models"]["trustedKeys"])
    assert keys is not None and len(keys.keys) == 1


def test_a_release_of_models_is_shadowed_tried_promoted_and_taken_back_by_one_value_each() -> None:
    running = merged(SLOTS, ROUTE)
    shadowed = merged(running, nested("models.shadow.share", 0.2))
    assert server_of(render("default", shadowed), "blue", "AWARENET_SHADOW_SERVER") == server_of(
        render("default", shadowed), "green"
    )
    assert server_of(render("default", shadowed), "green", "AWARENET_SHADOW_SERVER") is None
    assert weights(render("default", shadowed)) == {"demo-awarenet": 100}

    tried = merged(shadowed, nested("models.canary.weight", 5))
    assert (front(render("default", tried)), weights(render("default", tried))) == (
        "blue",
        {"demo-awarenet": 95, "demo-awarenet-gateway-green": 5},
    )

    promoted = render("default", tried, nested("models.live", "green"))
    assert (front(promoted), weights(promoted)) == ("green", {"demo-awarenet": 100})
    assert server_of(promoted, "blue", "AWARENET_SHADOW_SERVER") is None
    pods = {item["metadata"]["name"] for item in of_kind(promoted, "Deployment")}
    assert pods == {item["metadata"]["name"] for item in of_kind(render("default", tried), "Deployment")}

    assert render("default", tried, nested("models.live", "blue")) == render("default", tried)


def test_a_promotion_starts_no_pod_anew_but_for_the_shadow() -> None:
    """Callers move from one set of running pods to another; nothing is rolled while it answers."""
    before = render("default", SLOTS, ROUTE, nested("models.canary.weight", 5))
    after = render("default", SLOTS, ROUTE, nested("models.canary.weight", 5), nested("models.live", "green"))
    assert of_kind(before, "Deployment") == of_kind(after, "Deployment")


def test_an_nginx_ingress_shares_a_canary_out_by_its_own_annotations() -> None:
    changes = merged(SLOTS, {"ingress": {"enabled": True, "hosts": ["a.example"]}}, nested("models.canary.weight", 7))
    canary = named(render("default", changes), "Ingress", "demo-awarenet-gateway-green")
    annotations = canary["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/canary"] == "true"
    assert annotations["nginx.ingress.kubernetes.io/canary-weight"] == "7"


Flow = tuple[str, str, str, frozenset[int]]


def flows(manifests: Manifests) -> set[Flow]:
    """Direction, whose pods, the flow's name and its ports; all that the policies let through."""
    found = set()
    for item in of_kind(manifests, "NetworkPolicy"):
        spec = item["spec"]
        whose = spec["podSelector"]["matchLabels"].get("app.kubernetes.io/component", "every pod")
        name = item["metadata"]["name"].removeprefix("demo-awarenet-").removeprefix("tenant-a-")
        for direction in ("ingress", "egress"):
            for entry in spec.get(direction, []):
                found.add((direction, whose, name, frozenset(port["port"] for port in entry["ports"])))
    return found


COMMON: set[Flow] = {
    ("egress", "every pod", "names", frozenset({53})),
    ("ingress", "gateway", "callers-to-gateway", frozenset({8080})),
    ("ingress", "gateway", "test-to-gateway", frozenset({8080})),
    ("egress", "test", "test-from-gateway", frozenset({8080})),
}
DATABASE: set[Flow] = {("egress", "gateway", "gateway-to-database", frozenset({5432}))}
APART: set[Flow] = {
    ("ingress", "gateway", "scrapers-to-gateway", frozenset({8080})),
    ("egress", "gateway", "gateway-to-triton", frozenset({8001})),
    ("ingress", "triton", "triton-from-gateway", frozenset({8001})),
    ("ingress", "triton", "scrapers-to-triton", frozenset({8002})),
}
STORE: set[Flow] = {("egress", "triton", "triton-to-model-store", frozenset({443}))}
TRACES: set[Flow] = {
    ("egress", "gateway", "gateway-to-collector", frozenset({4318})),
    ("egress", "triton", "triton-to-collector", frozenset({4318})),
}
EDGE: set[Flow] = {
    ("ingress", "envoy", "callers-to-envoy", frozenset({8443})),
    ("ingress", "envoy", "scrapers-to-envoy", frozenset({9902})),
    ("egress", "envoy", "envoy-to-gateway", frozenset({8080})),
    ("ingress", "gateway", "gateway-from-envoy", frozenset({8080})),
    ("egress", "gateway", "gateway-to-envoy", frozenset({8001})),
    ("ingress", "envoy", "envoy-from-gateway", frozenset({8001})),
    ("egress", "envoy", "envoy-to-triton", frozenset({8001})),
    ("ingress", "triton", "triton-from-envoy", frozenset({8001})),
}
FLOWS: dict[str, set[Flow]] = {
    "default": COMMON | DATABASE | APART,
    "cpu": COMMON | DATABASE | APART,
    "gpu-cloud": COMMON | DATABASE | APART | STORE | TRACES,
    "air-gapped": (COMMON | DATABASE | APART | EDGE)
    - {("ingress", "gateway", "callers-to-gateway", frozenset({8080}))},
    "multi-tenant": COMMON | DATABASE | APART | STORE | {("egress", "gateway", "gateway-to-outside", frozenset({443}))},
    "edge-jetson": COMMON | {("ingress", "gateway", "scrapers-to-gateway", frozenset({8080, 8002}))},
}


@pytest.mark.parametrize("profile", ["default", *PROFILES])
def test_exactly_the_named_flows_are_open(profile: str) -> None:
    assert flows(render(profile)) == FLOWS[profile]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("http://collector:4318", 4318), ("http://collector.monitoring", 80), ("https://otlp.example.com", 443)],
)
def test_traces_go_from_gateway_and_triton_to_the_collector_and_nowhere_else(endpoint: str, port: int) -> None:
    before, after = render("default"), render("default", nested("monitoring.traces.endpoint", endpoint))
    pods = ("gateway", "triton")
    assert flows(after) - flows(before) == {("egress", pod, f"{pod}-to-collector", frozenset({port})) for pod in pods}
    text = json.dumps(after)
    assert f'"--traces-endpoint={endpoint}"' in text and f'"AWARENET_TRACES_ENDPOINT", "value": "{endpoint}"' in text
    assert "traces" not in json.dumps(before).lower()


def test_an_edge_asks_its_issuer_and_nobody_else_for_keys() -> None:
    tokens = {"issuer": "https://id.example", "audience": "a", "keysUrl": "https://id.example/keys"}
    before, after = flows(render("air-gapped")), flows(render("air-gapped", nested("envoy.jwt", tokens)))
    assert after - before == {("egress", "envoy", "envoy-to-issuer", frozenset({443}))}


@pytest.mark.parametrize(
    ("changes", "believed"),
    [
        ({}, False),
        ({"ingress": {"enabled": True, "hosts": ["a.example"]}}, True),
        (ROUTE, True),
        ({"envoy": {"enabled": True, "tls": {"secret": "edge"}}}, True),
    ],
    ids=["nothing", "ingress", "route", "edge"],
)
def test_forwarded_addresses_are_believed_of_what_is_in_front_alone(changes: dict[str, Any], believed: bool) -> None:
    manifests = render("default", changes, nested("gateway.proxies", ["10.1.0.0/16"]))
    (gateway,) = named(manifests, "Deployment", "demo-awarenet-gateway-blue")["spec"]["template"]["spec"]["containers"]
    assert environment(gateway).get("AWARENET_PROXIES") == ('["10.1.0.0/16"]' if believed else None)


def test_an_edge_starts_anew_with_another_configuration() -> None:
    def checksum(**changes: Any) -> str:
        pod = named(render("air-gapped", {"envoy": changes}), "Deployment", "demo-awarenet-envoy")["spec"]["template"]
        return str(pod["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum(replicas=5)
    folder = {"secret": "a", "folder": "/elsewhere/tls"}
    assert len({checksum(), checksum(limits={"headers": 50}), checksum(tls=folder)}) == 3


def test_the_edge_balances_over_the_addresses_of_the_live_slot() -> None:
    manifests = render("air-gapped")
    config = yaml.safe_load(named(manifests, "ConfigMap", "demo-awarenet-envoy")["data"]["envoy.yaml"])
    called = {
        (address["address"], address["port_value"])
        for cluster in config["static_resources"]["clusters"]
        for group in cluster["load_assignment"]["endpoints"]
        for one in group["lb_endpoints"]
        for address in [one["endpoint"]["address"]["socket_address"]]
    }
    headless = {
        (item["metadata"]["name"], port["port"])
        for item in of_kind(manifests, "Service")
        if item["metadata"]["name"].endswith("-headless")
        for port in item["spec"]["ports"]
    }
    assert called == headless | {("127.0.0.1", 9901)}


def test_nothing_of_an_air_gapped_release_may_call_an_address_outside() -> None:
    policies = of_kind(render("air-gapped"), "NetworkPolicy")
    assert "ipBlock" not in json.dumps([item["spec"].get("egress") for item in policies])


@pytest.mark.parametrize(
    ("changes", "gateway", "triton"),
    [
        ({}, 15 + 2 * 30 + 10, 15 + 33 + 20 + 5 + 10),
        ({"lifecycle": {"gatewayDrainSeconds": 100}}, 15 + 2 * 100 + 10, 83),
        ({"lifecycle": {"endpointRemovalSeconds": 5, "connectionAgeSeconds": 60}}, 75, 5 + 66 + 20 + 5 + 10),
        ({"layout": "pair"}, 15 + 2 * 30 + 20 + 5 + 10, None),
    ],
)
def test_the_grace_of_a_pod_is_the_sum_of_its_end(changes: dict[str, Any], gateway: int, triton: int | None) -> None:
    found = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        for item in of_kind(render("default", changes), "Deployment")
    }
    expected = {"demo-awarenet-gateway-blue": gateway, "demo-awarenet-triton-blue": triton}
    assert found == {name: seconds for name, seconds in expected.items() if seconds is not None}


def test_a_pair_keeps_triton_until_the_gateway_is_gone_and_shares_memory_with_it() -> None:
    (pod,) = [item["spec"]["template"]["spec"] for item in of_kind(render("edge-jetson"), "Deployment")]
    (triton,) = pod["initContainers"]
    (gateway,) = pod["containers"]
    assert triton["restartPolicy"] == "Always", "a sidecar is ended after what it serves"
    shared = {"name": "shared-memory", "mountPath": "/dev/shm"}
    assert shared in triton["volumeMounts"]
    assert shared in gateway["volumeMounts"]
    assert environment(gateway)["AWARENET_SERVER"] == "grpc://127.0.0.1:8001"


@pytest.mark.parametrize(("faces", "size"), [(64, "88Mi"), (512, "256Mi"), (4096, "1600Mi")])
def test_shared_memory_is_sized_by_faces(faces: int, size: str) -> None:
    manifests = render("default", {"triton": {"facesInFlight": faces}})
    pod = named(manifests, "Deployment", "demo-awarenet-triton-blue")["spec"]["template"]["spec"]
    assert pod["volumes"][0] == {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": size}}


def copied(tmp_path: Path) -> Path:
    """A copy of the chart with rules and a dashboard of its own."""
    shutil.copytree(CHART, tmp_path / "chart", symlinks=True)
    for name, file, text in (("rules", "slo.yaml", RULES), ("dashboards", "service.json", DASHBOARD)):
        (tmp_path / "chart" / "files" / name).unlink()
        (tmp_path / "chart" / "files" / name).mkdir()
        (tmp_path / "chart" / "files" / name / file).write_text(text)
    return tmp_path / "chart"


RULES = """groups:
  - name: slo
    rules:
      - alert: Slow
        expr: histogram_quantile(0.95, sum by (le) (rate(awarenet_gateway_request_seconds_bucket[5m]))) > 0.5
        for: 5m
        annotations: {summary: "{{ $labels.pod }} is slow: {{ $value | humanizeDuration }}"}
"""
DASHBOARD = '{"title": "Service", "panels": [{"title": "{{pod}}"}]}\n'


def test_rules_and_dashboards_reach_the_cluster_as_they_are(tmp_path: Path) -> None:
    changes = {"monitoring": {"rules": True, "dashboards": {"enabled": True}}}
    with helm_python.Chart.load(copied(tmp_path)) as chart:
        files = chart.render(changes, name=RELEASE, namespace=NAMESPACE)
    manifests = [item for text in files.values() if "kind:" in text for item in yaml.safe_load_all(text) if item]
    (group,) = yaml.safe_load(RULES)["groups"]
    assert named(manifests, "PrometheusRule", "demo-awarenet-slo")["spec"] == {"groups": [group | {"interval": "2s"}]}
    dashboard = named(manifests, "ConfigMap", "demo-awarenet-dashboard-service")
    assert dashboard["data"] == {"service.json": DASHBOARD}
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


@pytest.mark.parametrize("profile", [one for one in PROFILES if all_values(one)["monitoring"]["monitor"] != "none"])
def test_metrics_are_read_as_often_as_on_one_machine(profile: str) -> None:
    beside = yaml.safe_load((ROOT / "monitoring" / "prometheus.yaml").read_text(encoding="utf-8"))["global"]
    monitors = of_kind(render(profile), "ServiceMonitor", "PodMonitor")
    endpoints = [
        one for item in monitors for key in ("endpoints", "podMetricsEndpoints") for one in item["spec"].get(key, [])
    ]
    assert {one["interval"] for one in endpoints} == {beside["scrape_interval"]}


def test_rules_are_evaluated_as_often_as_on_one_machine() -> None:
    beside = yaml.safe_load((ROOT / "monitoring" / "prometheus.yaml").read_text(encoding="utf-8"))["global"]
    files = (ROOT / "monitoring" / "rules").glob("*.yaml")
    groups = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    wanted = {group["name"]: group.get("interval", beside["evaluation_interval"]) for group in groups}

    def installed(*changes: dict[str, Any]) -> dict[str, str]:
        rules = of_kind(render("default", nested("monitoring.rules", True), *changes), "PrometheusRule")
        return {group["name"]: group["interval"] for item in rules for group in item["spec"]["groups"]}

    assert installed() == wanted
    slower = installed(nested("monitoring.evaluationInterval", "30s"))
    assert {name for name in wanted if slower[name] != wanted[name]} == {
        group["name"] for group in groups if "interval" not in group
    }


def test_every_rule_file_and_dashboard_of_the_repository_is_installed() -> None:
    manifests = render("default", {"monitoring": {"rules": True, "dashboards": {"enabled": True}}})
    assert len(of_kind(manifests, "PrometheusRule")) == len(list((ROOT / "monitoring" / "rules").glob("*.yaml")))
    assert len(of_kind(manifests, "ConfigMap")) == len(list((ROOT / "monitoring" / "dashboards").glob("*.json")))


@pytest.mark.parametrize(
    ("waiting", "servers", "wanted"),
    [
        ("48", 2, "3"),  # One and a half times full each: 3 servers' worth.
        ("16", 2, "1.4"),  # Half full: as much as two at 70 %, so nothing moves.
        ("4", 2, "0.35"),  # An eighth full: aims at half full.
    ],
)
def test_the_band_of_the_autoscaler_as_prometheus_computes_it(
    waiting: str, servers: int, wanted: str, tmp_path: Path
) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool; install the Debian package prometheus")
    signals = named(render("default", {"autoscaling": {"engine": "hpa"}}), "PrometheusRule", "demo-awarenet-signals")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(signals["spec"]))
    each = float(waiting) / servers
    series = [
        {
            "series": f'nv_inference_pending_request_count{{model="cascade",namespace="{NAMESPACE}",'
            f'pod="demo-awarenet-triton-blue-7d9f-{pod}"}}',
            "values": f"{each:g}+0x20",
        }
        for pod in "abcdefgh"[:servers]
    ]
    asked = 'round(awarenet_load_pods{signal="pending",deployment="demo-awarenet-triton-blue"}, 0.01)'
    expected = {"labels": '{deployment="demo-awarenet-triton-blue", signal="pending"}', "value": float(wanted)}
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": series,
                "promql_expr_test": [{"expr": asked, "eval_time": "2m", "exp_samples": [expected]}],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    checked = subprocess.run([promtool, "check", "rules", "rules.yaml"], cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = subprocess.run([promtool, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("profile", ["default", *PROFILES])
def test_every_object_names_the_chart_that_it_comes_from(profile: str) -> None:
    assert {item["metadata"]["labels"]["helm.sh/chart"] for item in render(profile)} == {f"awarenet-{__version__}"}


def test_the_readme_is_what_the_values_say() -> None:
    assert README.read_text(encoding="utf-8") == readme()
    done = subprocess.run([sys.executable, "helm/readme.py", "--check"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0


def test_a_value_without_a_comment_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gateway\.port has no comment"):
        list(values("gateway:\n  # -- Fine\n  replicas: 2\n  port: 8080\n"))


@pytest.mark.parametrize("profile", ["default", *PROFILES])
def test_the_notes_say_what_to_do_next(profile: str) -> None:
    assert "helm -n awarenet-ns test demo" in notes(profile)


@pytest.mark.parametrize("faces", [64, 512])
def test_a_pair_adds_the_memory_of_each_worker(faces: int) -> None:
    apart, beside = (
        render("default", {"triton": {"facesInFlight": faces}}, {"layout": layout}) for layout in ("separate", "pair")
    )
    sizes = [
        quantity(volume["emptyDir"]["sizeLimit"])
        for manifests in (apart, beside)
        for item in of_kind(manifests, "Deployment")
        for volume in item["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "shared-memory" and volume["emptyDir"]["sizeLimit"] != "64Mi"
    ]
    assert sizes[1] - sizes[0] == 3 * (32 << 20), "two workers and one for clips, as awarenet_client/memory.py has it"
    assert REGION_BYTES == 32 << 20


def test_the_chart_installs_the_version_that_it_lies_beside() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__
    images = {
        one["image"] for item in of_kind(render(), "Deployment") for one in containers(item["spec"]["template"]["spec"])
    }
    assert images == {f"awarenet/gateway:{__version__}", f"awarenet/triton-cpu:{__version__}"}
