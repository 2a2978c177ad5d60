"""What only a cluster can show: nothing is lost while pods come, go, are replaced or cut off."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.chart.rendering import nested
from tests.cluster.conftest import Cluster, learned
from tests.cluster.traffic import Traffic

pytestmark = pytest.mark.cluster

SETTLE_S = 20.0


def under(traffic: Traffic, name: str, mutation: Callable[[], object]) -> None:
    """Changes something under traffic: no request fails and no verdict differs, during it and after."""
    traffic.mark(name)
    mutation()
    traffic.mark(f"{name} done")
    traffic.wait(SETTLE_S)
    traffic.mark(f"{name} settled")
    traffic.between(name, f"{name} settled").judge(learned(traffic), rate=traffic.rate)


def test_the_release_answers(cluster: Cluster) -> None:
    cluster.test()


def test_an_upgrade_and_its_rollback_lose_nothing(cluster: Cluster, traffic: Traffic) -> None:
    restart = nested("gateway.settings.log_level", "warning")
    under(traffic, "upgrade", lambda: cluster.apply(restart))
    under(traffic, "rollback", cluster.rollback)
    under(traffic, "as before", cluster.apply)


@pytest.mark.parametrize("component", ["gateway", "triton"])
def test_a_pod_that_is_deleted_loses_nothing(cluster: Cluster, traffic: Traffic, component: str) -> None:
    before = cluster.ready(component)
    victim = cluster.items("pods", component)[0]["metadata"]["name"]
    under(traffic, "delete", lambda: cluster.kubectl("delete", "pod", victim))
    traffic.until(lambda: cluster.ready(component) >= before, 600, f"a new {component}")


def test_a_node_that_is_drained_loses_nothing(cluster: Cluster, traffic: Traffic) -> None:
    nodes = {pod["spec"]["nodeName"] for pod in cluster.items("pods", "gateway")}
    if len(nodes) < 2:
        pytest.skip("the gateways are on one node; a drain needs another")
    node = sorted(nodes)[0]
    drain = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=600s")
    try:
        under(traffic, "drain", lambda: cluster.kubectl(*drain))
    finally:
        cluster.kubectl("uncordon", node)


def test_a_canary_answers_its_share_and_a_promotion_answers_all(cluster: Cluster, traffic: Traffic) -> None:
    if not cluster.values.get("models", {}).get("slots", {}).get("green", {}).get("source"):
        pytest.skip("the values give slot green no models")
    green = nested("models.slots.green.enabled", True)
    canary = nested("models.canary.weight", 30)
    under(traffic, "green comes up", lambda: cluster.apply(green))
    assert len(traffic.between("green comes up", "green comes up settled").versions) == 1
    under(traffic, "canary", lambda: cluster.apply(green, canary))
    tried = traffic.between("canary done", "canary settled").versions
    assert len(tried) == 2
    assert 0.1 < min(tried.values()) / sum(tried.values()) < 0.5
    under(traffic, "promotion", lambda: cluster.apply(green, canary, nested("models.live", "green")))
    traffic.mark("promoted")
    traffic.wait(SETTLE_S)
    traffic.mark("end")
    assert len(traffic.between("promoted", "end").versions) == 1
    under(traffic, "back", lambda: cluster.apply(green))


@pytest.mark.parametrize("replicas", [3, 2])
def test_gateways_come_and_go_without_a_loss(cluster: Cluster, traffic: Traffic, replicas: int) -> None:
    if cluster.values.get("autoscaling", {}).get("engine", "none") != "none":
        pytest.skip("an autoscaler owns the number; see the next test")
    under(traffic, "scale", lambda: cluster.apply(nested("gateway.replicas", replicas)))
    assert cluster.ready("gateway") == replicas


def test_the_autoscaler_follows_a_spike_and_comes_back(cluster: Cluster, traffic: Traffic) -> None:
    if cluster.values.get("autoscaling", {}).get("engine", "none") == "none":
        pytest.skip("the values name no autoscaler")
    before = cluster.ready("gateway")
    spike = Traffic(traffic.url, traffic.key, traffic.picture, rate=20 * traffic.rate)
    with spike.running():
        traffic.until(lambda: cluster.ready("gateway") > before, 900, "scaling up")
    assert {answer.status for answer in spike.answers} <= {200, 429, 503}, "what is refused is refused in good form"
    traffic.until(lambda: cluster.ready("gateway") <= before, 3600, "scaling down")
    traffic.mark("calm again")
    traffic.wait(SETTLE_S)
    traffic.mark("end")
    traffic.between("calm again", "end").judge(learned(traffic), rate=traffic.rate)


def test_a_stranger_reaches_no_triton_and_a_gateway_no_stranger(cluster: Cluster) -> None:
    """Only where the cluster's network enforces policies; kind's default does since 0.24."""
    reach = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    (triton,) = cluster.items("services", "triton")[:1]
    host = f"{triton['metadata']['name']}.{triton['metadata']['namespace']}.svc"
    gateway = cluster.items("pods", "gateway")[0]
    within = ("exec", gateway["metadata"]["name"], "-c", "gateway", "--", "python", "-c", reach)
    cluster.kubectl(*within, host, "8001")
    for port in ("8000", "8002"):
        assert "timed out" in cluster.failure(*within, host, port)
    image = gateway["spec"]["containers"][0]["image"]
    overrides = json.dumps({"spec": {"securityContext": {"runAsUser": 10001, "runAsNonRoot": True}}})
    stranger = (
        "run",
        "stranger",
        f"--image={image}",
        "--restart=Never",
        "--rm",
        "--attach",
        f"--overrides={overrides}",
    )
    assert "timed out" in cluster.failure(*stranger, "--command", "--", "python", "-c", reach, host, "8001")
