"""What must hold for everything that the chart renders: a rule gets all objects of a release, yields what breaks it."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from unittest import mock

import click
import typer

from awarenet.cli import _COMMANDS
from awarenet.cli import app as awarenet_app
from awarenet.errors import ConfigurationError
from awarenet.face_engines.yunet import MODEL_VARIABLE
from awarenet.stages import FACE_SIZE
from awarenet.trees import CACHE_VARIABLE
from gateway.__main__ import app as gateway_app
from gateway.metrics import Metrics
from gateway.settings import FILE_VARIABLE, PREFIX, Settings
from tests.chart.rendering import (
    ROOT,
    Manifest,
    Manifests,
    containers,
    environment,
    lasting,
    of_kind,
    pods,
    quantity,
    selects,
)

TRITON_METRICS = {
    "nv_inference_pending_request_count",
    "nv_inference_queue_duration_us",
    "nv_inference_request_success",
}
"""What autoscalers may ask of Triton; `tests/integration/test_orchestration.py` finds each on a running server."""

Rule = Callable[[Manifests], Iterator[str]]

RULES: dict[str, Rule] = {}

_OURS = {"gateway", "triton", "fetch-models", "build-plans", "inference"}
"""Containers that run our programs, whose command lines and ports can be held against the programs themselves."""

_SECRETS = {
    "AWARENET_MASTER_KEY": "0" * 64,
    "AWARENET_FIRST_API_KEY": f"awn_{'a' * 16}_{'a' * 52}",
    "AWARENET_DATABASE": "postgresql://user:password@host/name",
}
"""Values of the right form for what comes from a Secret."""


def rule(check: Rule) -> Rule:
    """Registers a rule under its name."""
    RULES[check.__name__] = check
    return check


def _each_container(manifests: Manifests) -> Iterator[tuple[str, Manifest, Manifest]]:
    for name, _, spec in pods(manifests):
        for container in containers(spec):
            yield f"{name}/{container['name']}", container, spec


@rule
def images_are_pinned(manifests: Manifests) -> Iterator[str]:
    for name, container, _ in _each_container(manifests):
        image = container["image"].rsplit("/", 1)[-1]
        if "@sha256:" not in image and (":" not in image or image.endswith(":latest")):
            yield f"{name}: {container['image']} may be another image tomorrow"


@rule
def resources_are_bounded(manifests: Manifests) -> Iterator[str]:
    for name, container, _ in _each_container(manifests):
        resources = container.get("resources", {})
        for resource in ("cpu", "memory", "ephemeral-storage"):
            request, limit = (resources.get(kind, {}).get(resource) for kind in ("requests", "limits"))
            if request is None or limit is None:
                yield f"{name}: {resource} has no request or no limit"
            elif quantity(request) > quantity(limit):
                yield f"{name}: more {resource} is requested than allowed"


@rule
def what_runs_is_probed(manifests: Manifests) -> Iterator[str]:
    for item in of_kind(manifests, "Deployment"):
        for container in lasting(item["spec"]["template"]["spec"]):
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe not in container:
                    yield f"{item['metadata']['name']}/{container['name']}: no {probe}"
            ready = container.get("readinessProbe", {}).get("httpGet", {}).get("path")
            if container["name"] in _OURS and ready != "/readyz":
                yield f"{item['metadata']['name']}/{container['name']}: ready by {ready}, not by the golden inference"


@rule
def pod_security_is_restricted(manifests: Manifests) -> Iterator[str]:
    """The profile "restricted" of Kubernetes' Pod Security Standards, and a read-only root besides."""
    volumes = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    for name, _, spec in pods(manifests):
        pod = spec.get("securityContext", {})
        if pod.get("runAsNonRoot") is not True or not pod.get("runAsUser"):
            yield f"{name}: may run as root"
        if pod.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"{name}: no seccomp profile"
        for host in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(host):
                yield f"{name}: {host}"
        for volume in spec.get("volumes", []):
            if not (set(volume) - {"name"} <= volumes):
                yield f"{name}: volume {volume['name']} is of a kind that is not allowed"
    yield from _containers_are_restricted(manifests)


def _containers_are_restricted(manifests: Manifests) -> Iterator[str]:
    for where, container, _ in _each_container(manifests):
        own = container.get("securityContext", {})
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            yield f"{where}: privileges"
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            yield f"{where}: capabilities"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{where}: a root file system that can be written"
        if own.get("runAsUser") == 0 or own.get("runAsNonRoot") is False:
            yield f"{where}: root"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{where}: a port of the host"


@rule
def no_token_is_mounted(manifests: Manifests) -> Iterator[str]:
    for name, _, spec in pods(manifests):
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name}: a token of a service account"
    for item in of_kind(manifests, "ServiceAccount"):
        if item.get("automountServiceAccountToken") is not False:
            yield f"{item['metadata']['name']}: mounts its token"


@rule
def objects_say_whose_they_are(manifests: Manifests) -> Iterator[str]:
    wanted = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by"}
    seen = set()
    for item in manifests:
        identity = (item["kind"], item["metadata"]["name"])
        if identity in seen:
            yield f"{identity} twice"
        seen.add(identity)
        if not wanted <= set(item["metadata"].get("labels", {})) or not item["metadata"].get("namespace"):
            yield f"{identity}: labels or namespace are missing"
        if len(item["metadata"]["name"]) > 63 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", identity[1]):
            yield f"{identity}: the name is none"


def _replicas(manifests: Manifests, deployment: Manifest) -> int:
    """The fewest pods that a Deployment has."""
    name = deployment["metadata"]["name"]
    for scaler in _scalers(manifests):
        if scaler["spec"]["scaleTargetRef"]["name"] == name:
            return int(scaler["spec"].get("minReplicas", scaler["spec"].get("minReplicaCount", 1)))
    return int(deployment["spec"].get("replicas", 1))


def _scalers(manifests: Manifests) -> Manifests:
    return of_kind(manifests, "HorizontalPodAutoscaler", "ScaledObject")


@rule
def disruption_budgets_can_be_kept(manifests: Manifests) -> Iterator[str]:
    deployments = of_kind(manifests, "Deployment")
    for item in of_kind(manifests, "PodDisruptionBudget"):
        name, spec = item["metadata"]["name"], item["spec"]
        if ("minAvailable" in spec) == ("maxUnavailable" in spec):
            yield f"{name}: minAvailable and maxUnavailable, or neither"
            continue
        chosen = [
            one
            for one in deployments
            if selects(spec["selector"]["matchLabels"], one["spec"]["template"]["metadata"]["labels"])
        ]
        if len(chosen) != 1:
            yield f"{name}: covers {len(chosen)} deployments"
            continue
        replicas = _replicas(manifests, chosen[0])
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        may_go = _share(most, replicas) if most is not None else replicas - _share(least, replicas)
        if may_go < 1:
            yield f"{name}: none of {replicas} pods may ever go, so no node can be drained"
    for one in deployments:
        labels = one["spec"]["template"]["metadata"]["labels"]
        if not any(
            selects(item["spec"]["selector"]["matchLabels"], labels)
            for item in of_kind(manifests, "PodDisruptionBudget")
        ):
            yield f"{one['metadata']['name']}: no disruption budget"


def _share(value: Any, whole: int) -> int:
    return math.ceil(int(value[:-1]) / 100 * whole) if isinstance(value, str) else int(value)


@rule
def selectors_match(manifests: Manifests) -> Iterator[str]:
    every = [labels for _, labels, _ in pods(manifests)]
    deployments = of_kind(manifests, "Deployment")
    for item in deployments:
        selector = item["spec"]["selector"]["matchLabels"]
        template = item["spec"]["template"]
        owners = [one for one in deployments if selects(selector, one["spec"]["template"]["metadata"]["labels"])]
        if owners != [item]:
            yield f"{item['metadata']['name']}: its selector chooses the pods of {len(owners)} deployments"
        for term in _label_selectors(template["spec"]):
            if not selects(term, template["metadata"]["labels"]):
                yield f"{item['metadata']['name']}: is spread from {term}, which are not its own pods"
    for item in of_kind(manifests, "Service"):
        if not any(selects(item["spec"]["selector"], labels) for labels in every):
            yield f"Service {item['metadata']['name']}: nothing is behind it"
    for item in of_kind(manifests, "NetworkPolicy"):
        if not any(selects(item["spec"]["podSelector"]["matchLabels"], labels) for labels in every):
            yield f"NetworkPolicy {item['metadata']['name']}: holds for nothing"
    for item in of_kind(manifests, "ServiceMonitor", "PodMonitor"):
        kind = [one["metadata"]["labels"] for one in of_kind(manifests, "Service")]
        labels_of = kind if item["kind"] == "ServiceMonitor" else every
        if not any(selects(item["spec"]["selector"]["matchLabels"], labels) for labels in labels_of):
            yield f"{item['kind']} {item['metadata']['name']}: finds nothing"


def _label_selectors(value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "labelSelector":
                yield inner["matchLabels"]
            else:
                yield from _label_selectors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _label_selectors(inner)


def references(manifests: Manifests) -> set[tuple[str, str]]:
    """Kind and name of all that pods and Ingresses need to be there."""
    found: set[tuple[str, str]] = set()
    for _, _, spec in pods(manifests):
        found |= {("Secret", one["name"]) for one in spec.get("imagePullSecrets", [])}
        if account := spec.get("serviceAccountName"):
            found.add(("ServiceAccount", account))
        for volume in spec.get("volumes", []):
            if claim := volume.get("persistentVolumeClaim"):
                found.add(("PersistentVolumeClaim", claim["claimName"]))
            if secret := volume.get("secret"):
                found.add(("Secret", secret["secretName"]))
            if config := volume.get("configMap"):
                found.add(("ConfigMap", config["name"]))
        for container in containers(spec):
            for source in container.get("envFrom", []):
                found |= {("Secret", one["name"]) for key, one in source.items() if key == "secretRef"}
                found |= {("ConfigMap", one["name"]) for key, one in source.items() if key == "configMapRef"}
            for value in environment(container).values():
                if isinstance(value, dict):
                    found |= {("Secret", one["name"]) for key, one in value.items() if key == "secretKeyRef"}
                    found |= {("ConfigMap", one["name"]) for key, one in value.items() if key == "configMapKeyRef"}
    for item in of_kind(manifests, "Ingress"):
        found |= {("Secret", one["secretName"]) for one in item["spec"].get("tls", [])}
    return found


def provided(manifests: Manifests) -> set[tuple[str, str]]:
    """Kind and name of what the release brings; an ExternalSecret brings a Secret."""
    brought = {(item["kind"], item["metadata"]["name"]) for item in manifests}
    return brought | {("Secret", item["spec"]["target"]["name"]) for item in of_kind(manifests, "ExternalSecret")}


@rule
def volumes_are_declared_and_used(manifests: Manifests) -> Iterator[str]:
    for name, _, spec in pods(manifests):
        declared = {volume["name"] for volume in spec.get("volumes", [])}
        mounted = {mount["name"] for one in containers(spec) for mount in one.get("volumeMounts", [])}
        if declared != mounted:
            yield f"{name}: volumes {sorted(declared)} are declared, {sorted(mounted)} mounted"


@rule
def ports_line_up(manifests: Manifests) -> Iterator[str]:
    for name, container, _ in _each_container(manifests):
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        listening = _listening(container) if container["name"] in _OURS else ports
        for port_name, number in ports.items():
            if listening.get(port_name) != number:
                yield f"{name}: port {port_name} is {number}, the process listens on {listening.get(port_name)}"
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            port = container.get(probe, {}).get("httpGet", {}).get("port", next(iter(ports), None))
            if port not in ports and port is not None:
                yield f"{name}: {probe} asks port {port}, which there is not"
    for item in of_kind(manifests, "Service"):
        for port in item["spec"]["ports"]:
            for where, spec in _behind(manifests, item):
                number = _named_ports(spec).get(port["targetPort"])
                if number is None:
                    yield f"Service {item['metadata']['name']}: {where} has no port {port['targetPort']}"
                elif item["spec"].get("clusterIP") == "None" and number != port["port"]:
                    yield f"Service {item['metadata']['name']} has no address of its own, so {port['port']} is {number}"
    yield from _upstreams_exist(manifests)
    yield from _monitored_ports_exist(manifests)


def _options(container: Manifest) -> dict[str, str]:
    return dict(word.removeprefix("--").split("=", 1) for word in container["args"] if "=" in word)


def _listening(container: Manifest) -> dict[str, int]:
    if container["name"] == "gateway":
        return {"http": int(environment(container)["AWARENET_PORT"])}
    options = _options(container)
    found = {
        word: int(options[f"{word}-port"])
        for word in ("http", "grpc", "metrics", "health")
        if f"{word}-port" in options
    }
    return found if options.get("host") == "0.0.0.0" else {}


def _named_ports(spec: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for one in lasting(spec) for port in one.get("ports", [])}


def _behind(manifests: Manifests, service: Manifest) -> Iterator[tuple[str, Manifest]]:
    for name, labels, spec in pods(manifests):
        if selects(service["spec"]["selector"], labels):
            yield name, spec


def _upstreams_exist(manifests: Manifests) -> Iterator[str]:
    """What gateways, Ingresses, routes and the test call must be a Service of the release with that port."""
    offered = {
        (item["metadata"]["name"], port["port"])
        for item in of_kind(manifests, "Service")
        for port in item["spec"]["ports"]
    }
    called: list[tuple[str, str, int]] = []
    for name, container, spec in _each_container(manifests):
        urls = [value for key, value in environment(container).items() if key.endswith("SERVER")]
        urls += [word for word in container.get("args", []) if word.startswith("http://")]
        for url in urls:
            host, port = url.split("://")[1].rsplit(":", 1)
            if host == "127.0.0.1":
                if int(port) not in [number for one in lasting(spec) for number in _listening(one).values()]:
                    yield f"{name}: nobody in the pod listens on {url}"
            else:
                called.append((name, host.split(".")[0], int(port)))
    for item in of_kind(manifests, "Ingress"):
        for entry in item["spec"]["rules"]:
            for path in entry["http"]["paths"]:
                service = path["backend"]["service"]
                called.append((item["metadata"]["name"], service["name"], service["port"]["number"]))
    for item in of_kind(manifests, "HTTPRoute"):
        for entry in item["spec"]["rules"]:
            called += [(item["metadata"]["name"], one["name"], one["port"]) for one in entry["backendRefs"]]
    for who, host, port in called:
        if (host, port) not in offered:
            yield f"{who}: calls {host}:{port}, which no Service offers"


def _monitored_ports_exist(manifests: Manifests) -> Iterator[str]:
    for item in of_kind(manifests, "ServiceMonitor"):
        for service in of_kind(manifests, "Service"):
            if selects(item["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]):
                offered = {port["name"] for port in service["spec"]["ports"]}
                for endpoint in item["spec"]["endpoints"]:
                    if endpoint["port"] not in offered:
                        yield f"{item['metadata']['name']}: a Service has no port {endpoint['port']}"
    for item in of_kind(manifests, "PodMonitor"):
        for name, labels, spec in pods(manifests):
            if selects(item["spec"]["selector"]["matchLabels"], labels):
                for endpoint in item["spec"]["podMetricsEndpoints"]:
                    if endpoint["port"] not in _named_ports(spec):
                        yield f"{item['metadata']['name']}: {name} has no port {endpoint['port']}"


@rule
def settings_load(manifests: Manifests) -> Iterator[str]:
    """The gateway itself reads its variables; others must be names that some code of ours reads."""
    core = {FILE_VARIABLE, MODEL_VARIABLE, CACHE_VARIABLE}
    fields = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    for name, container, _ in _each_container(manifests):
        variables = environment(container)
        unknown = {key for key in variables if key.startswith(PREFIX)} - fields - core
        if unknown:
            yield f"{name}: nobody reads {sorted(unknown)}"
        if container["name"] == "gateway":
            plain = {
                key: _SECRETS.get(key, "") if isinstance(value, dict) else value for key, value in variables.items()
            }
            with mock.patch.dict(os.environ, plain, clear=True):
                try:
                    Settings.load()
                except ConfigurationError as error:
                    yield f"{name}: {error}"


@rule
def commands_exist(manifests: Manifests) -> Iterator[str]:
    """Every command line is parsed by the program that it calls."""
    for name, container, _ in _each_container(manifests):
        if container["name"] not in _OURS:
            continue
        hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
        for words in ([*container.get("command", []), *container["args"]], hook):
            if words is not None and (fault := _fault_of(words)):
                yield f"{name}: `{shlex.join(words)}`: {fault}"


def _fault_of(words: list[str]) -> str | None:
    if words[0] == "awarenet":
        program, rest = awarenet_app, words[1:]
        if rest[0] not in _COMMANDS:
            return f"there is no command {rest[0]}"
    elif words[:3] == ["python", "-m", "gateway"]:
        program, rest = gateway_app, words[3:]
    else:
        return "a program that is not ours"
    try:
        command = typer.main.get_command(program)
        context = command.make_context(words[0], list(rest))
        while isinstance(command, click.Group) or hasattr(command, "resolve_command"):
            sub, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])  # type: ignore[union-attr]
            context = command.make_context(sub, list(rest), parent=context)
    except Exception as error:
        return f"{type(error).__name__} {error}"
    return None


@rule
def pods_get_the_time_they_need_to_end(manifests: Manifests) -> Iterator[str]:
    """Grace is at least the hook and every drain that follows it, one after the other."""
    for name, _, spec in pods(manifests):
        needed = 0.0
        for container in lasting(spec):
            hook = container.get("lifecycle", {}).get("preStop", {})
            if container["name"] == "gateway":
                words = hook.get("exec", {}).get("command", [])
                if words[:4] != ["python", "-m", "gateway", "drain"]:
                    yield f"{name}: the gateway is not drained before it is told to end"
                    continue
                needed += float(words[words.index("--settle") + 1])
                needed += 2 * float(environment(container)["AWARENET_DRAIN_TIMEOUT_S"])
            elif container["name"] == "triton":
                options = _options(container)
                needed += float(options["drain-timeout"]) + 5
                if "gateway" not in [one["name"] for one in lasting(spec)]:
                    pause = float(hook.get("sleep", {}).get("seconds", 0))
                    if pause <= 1.1 * float(options.get("connection-age", "inf")):  # gRPC adds up to a tenth.
                        yield f"{name}: Triton is told to end while gateways are still connected to it"
                    needed += pause
        if needed and spec.get("terminationGracePeriodSeconds", 30) <= needed:
            yield f"{name}: needs {needed:.0f} s to end, gets {spec.get('terminationGracePeriodSeconds', 30)}"


@rule
def one_hand_holds_the_number_of_pods(manifests: Manifests) -> Iterator[str]:
    targets = [scaler["spec"]["scaleTargetRef"]["name"] for scaler in _scalers(manifests)]
    names = [item["metadata"]["name"] for item in of_kind(manifests, "Deployment")]
    for item in of_kind(manifests, "Deployment"):
        name = item["metadata"]["name"]
        if ("replicas" in item["spec"]) == (name in targets):
            yield f"{name}: `replicas` and an autoscaler, or neither"
    for target in targets:
        if target not in names or targets.count(target) > 1:
            yield f"{target}: scaled {targets.count(target)} times, deployed {names.count(target)}"


@rule
def autoscalers_are_sane(manifests: Manifests) -> Iterator[str]:
    for item in _scalers(manifests):
        name, spec = item["metadata"]["name"], item["spec"]
        keda = item["kind"] == "ScaledObject"
        least, most = (
            spec[key] for key in (("minReplicaCount", "maxReplicaCount") if keda else ("minReplicas", "maxReplicas"))
        )
        if not 1 <= least < most:
            yield f"{name}: from {least} to {most}; scaled to nothing it would have no metric to come back by"
        behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] if keda else spec["behavior"]
        if set(behaviour) != {"scaleUp", "scaleDown"}:
            yield f"{name}: one direction has no behaviour"
        if keda:
            if not least <= spec["fallback"]["replicas"] <= most:
                yield f"{name}: the fallback is out of bounds"
            for trigger in spec["triggers"]:
                if trigger["metadata"].get("ignoreNullValues") != "false":
                    yield f"{name}: no data would look like no load"
                if trigger["metricType"] != "AverageValue":
                    yield f"{name}: the fallback needs AverageValue"
        else:
            recorded = {
                tuple(sorted(entry["labels"].items()))
                for one in of_kind(manifests, "PrometheusRule")
                for group in one["spec"]["groups"]
                for entry in group["rules"]
                if entry.get("record") == "awarenet_load_pods"
            }
            for metric in spec["metrics"]:
                labels = metric["external"]["metric"]["selector"]["matchLabels"]
                if tuple(sorted(labels.items())) not in recorded:
                    yield f"{name}: nothing records {labels}"


def queries(manifests: Manifests) -> Iterator[tuple[str, str]]:
    """Name and PromQL of everything that an autoscaler follows."""
    for item in of_kind(manifests, "ScaledObject"):
        for trigger in item["spec"]["triggers"]:
            yield f"{item['metadata']['name']}/{trigger['name']}", trigger["metadata"]["query"]
    for item in of_kind(manifests, "PrometheusRule"):
        for group in item["spec"]["groups"]:
            for entry in group["rules"]:
                if entry.get("record") == "awarenet_load_pods":
                    yield f"{item['metadata']['name']}/{entry['labels']}", entry["expr"]


@rule
def autoscalers_follow_metrics_that_exist(manifests: Manifests) -> Iterator[str]:
    for name, query in queries(manifests):
        metrics = set(re.findall(r"\b(?:nv|awarenet)_\w+(?=\{)", query))
        if not metrics:
            yield f"{name}: follows nothing"
        for metric in metrics:
            if metric not in (TRITON_METRICS if metric.startswith("nv_") else gateway_metrics()):
                yield f"{name}: nobody exports {metric}"


@cache
def gateway_metrics() -> frozenset[str]:
    """Names that the gateway exposes: those of its registry, and the gauges that it adds when it is put together."""
    made = re.findall(r"# TYPE (\w+) ", Metrics().text().decode())
    watched = re.findall(r'metrics\.watch\("(\w+)"', (ROOT / "gateway" / "service.py").read_text())
    return frozenset([*made, *(f"awarenet_gateway_{name}" for name in watched)])


@rule
def shared_memory_fits(manifests: Manifests) -> Iterator[str]:
    """`/dev/shm` holds a face at least, lies in memory, and leaves each container that sees it room for itself."""
    for name, container, spec in _each_container(manifests):
        mounts = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", [])}
        if container["name"] in ("triton", "gateway") and "/dev/shm" not in mounts:
            yield f"{name}: /dev/shm is the 64 MiB of the container engine"
        for volume in spec.get("volumes", []):
            if volume["name"] != mounts.get("/dev/shm"):
                continue
            size = quantity(volume["emptyDir"]["sizeLimit"])
            if volume["emptyDir"].get("medium") != "Memory" or size < 64 * FACE_SIZE**2 * 3:
                yield f"{name}: /dev/shm cannot hold one batch"
            if size > 0.7 * quantity(container["resources"]["limits"]["memory"]):
                yield f"{name}: a full /dev/shm leaves the process no memory"


@rule
def workers_fit_into_their_container(manifests: Manifests) -> Iterator[str]:
    for name, container, _ in _each_container(manifests):
        if container["name"] == "gateway":
            variables = environment(container)
            workers = int(variables["AWARENET_WORKERS"]) + int(variables["AWARENET_CLIP_WORKERS"])
            workers += "AWARENET_SHADOW_SERVER" in variables
            needed = workers * int(variables["AWARENET_WORKER_MEMORY_BYTES"]) + (512 << 20)
            if needed > quantity(container["resources"]["limits"]["memory"]):
                yield f"{name}: {workers} workers at their limit would be killed with everything else"


@rule
def a_gpu_is_asked_for_where_there_is_work_for_it(manifests: Manifests) -> Iterator[str]:
    for name, container, spec in _each_container(manifests):
        limits, requests = (container["resources"].get(kind, {}) for kind in ("limits", "requests"))
        gpus = {key: value for key, value in limits.items() if key.startswith("nvidia.com/")}
        image = container["image"].rsplit("/", 1)[-1]
        if bool(gpus) != (container["name"] in ("triton", "build-plans") and not image.startswith("triton-cpu")):
            yield f"{name}: runs {image} with {gpus or 'no GPU'}"
        if any(requests.get(key) != value for key, value in gpus.items()):
            yield f"{name}: requests and limits of a GPU differ"
        if gpus and not any(one.get("key") == "nvidia.com/gpu" for one in spec.get("tolerations", [])):
            yield f"{name}: is not tolerated where the GPUs are"


@rule
def everything_is_denied_by_default(manifests: Manifests) -> Iterator[str]:
    policies = of_kind(manifests, "NetworkPolicy")
    for name, labels, _ in pods(manifests):
        mine = [one["spec"] for one in policies if selects(one["spec"]["podSelector"]["matchLabels"], labels)]
        closed = [one for one in mine if not one.get("ingress") and not one.get("egress")]
        if not any(set(one["policyTypes"]) == {"Ingress", "Egress"} for one in closed):
            yield f"{name}: is open to all"
    for item in policies:
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for entry in item["spec"].get(direction, []):
                if not entry.get(peers) or not entry.get("ports"):
                    yield f"{item['metadata']['name']}: a flow without peers or ports is no flow"
