"""A release on a real cluster, any that `KUBECONFIG` names: kind, k3s, or a cloud. CPU nodes are enough.

    export AWARENET_CLUSTER_VALUES=mine.yaml AWARENET_CLUSTER_URL=http://host:port AWARENET_CLUSTER_KEY=awn_...
    pytest -m cluster tests/cluster

The values name images that the cluster can pull and, for the canary, a source of other models in slot green. The URL
leads to the release's front service from here, through an Ingress, a NodePort or a port of a kind node.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from PIL import Image
from skimage.data import astronaut

from tests.chart.rendering import CHART, merged
from tests.cluster.traffic import Traffic

NAMESPACE, RELEASE = "awarenet-test", "awarenet"

_TESTED = {"cached_results": 0, "requests_per_minute": 1_000_000, "requests_burst": 100_000}
"""Every picture is judged anew, and no caller is too fast."""


class Cluster:
    """A cluster and the release under test.

    Args:
        values: What the release begins with.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = merged(values, {"gateway": {"settings": _TESTED}})
        self._helm = helm_python.Config(namespace=NAMESPACE)

    def kubectl(self, *arguments: str) -> str:
        """What a command of kubectl prints."""
        done = self._run(*arguments)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def failure(self, *arguments: str) -> str:
        """What a command of kubectl says that must fail."""
        done = self._run(*arguments)
        assert done.returncode != 0, f"kubectl {' '.join(arguments)} went through: {done.stdout}"
        return done.stdout + done.stderr

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "-n", NAMESPACE, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)

    def items(self, kind: str, component: str, slot: str = "blue") -> list[dict[str, Any]]:
        """The objects of a component."""
        label = f"app.kubernetes.io/component={component},awarenet.io/slot={slot}"
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-l", label, "-o", "json"))["items"]
        return found

    def ready(self, component: str, slot: str = "blue") -> int:
        """Pods of a component that are ready."""
        pods = self.items("pods", component, slot)
        return sum(
            any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
        )

    def apply(self, *changes: dict[str, Any]) -> None:
        """Installs or upgrades, and waits until every pod is ready."""
        values = merged(self.values, *changes)
        if any(one["name"] == RELEASE for one in self._helm.list()):
            self._helm.upgrade(str(CHART), RELEASE, values)
        else:
            self._helm.install(str(CHART), RELEASE, values)
        for component in ("triton", "gateway"):
            for item in self.items("deployments", component) + self.items("deployments", component, "green"):
                self.kubectl("rollout", "status", f"deployment/{item['metadata']['name']}", "--timeout=900s")

    def rollback(self) -> None:
        """Goes back by one revision."""
        self._helm.rollback(RELEASE)

    def test(self) -> None:
        """Runs the chart's own test."""
        self._helm.test(RELEASE)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The release, installed; it is left for looking at when a test has failed."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on PATH")
    named = os.environ.get("AWARENET_CLUSTER_VALUES")
    if named is None:
        pytest.skip("set AWARENET_CLUSTER_VALUES, _URL and _KEY; see tests/cluster/conftest.py")
    found = Cluster(yaml.safe_load(Path(named).read_text()))
    found.apply()
    yield found


@pytest.fixture
def traffic() -> Iterator[Traffic]:
    """Traffic from the first line of a test to its last."""
    stream = io.BytesIO()
    Image.fromarray(astronaut()).save(stream, "PNG")
    driver = Traffic(
        os.environ["AWARENET_CLUSTER_URL"].rstrip("/"), os.environ["AWARENET_CLUSTER_KEY"], stream.getvalue()
    )
    with driver.running():
        driver.mark("begin")
        driver.wait(10)
        driver.mark("calm")
        driver.between("begin", "calm").judge(learned(driver), rate=driver.rate)
        yield driver


def learned(traffic: Traffic) -> dict[str, tuple[str, float]]:
    """The verdict of each version of the models, as it was first given."""
    found: dict[str, tuple[str, float]] = {}
    for answer in list(traffic.answers):
        if answer.verdict is not None:
            found.setdefault(answer.verdict[2], answer.verdict[:2])
    return found
