"""Writes helm/awarenet/README.md from Chart.yaml and the comments in values.yaml.

`python helm/readme.py` writes it; `--check` exits 1 where it is not what it would write.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

CHART: Final = Path(__file__).parent / "awarenet"
README: Final = CHART / "README.md"
_MARK: Final = "# -- "

_INTRODUCTION: Final = """# The AWARE-NET chart

{description}. Chart {version}, application {app_version}, Kubernetes {kube_version}.

    kubectl create namespace awarenet
    kubectl -n awarenet create secret generic awarenet \\
      --from-literal=master-key=$(openssl rand -hex 32) \\
      --from-literal=api-key=$(python -m gateway keys generate) \\
      --from-literal=database-url=postgresql://user:password@host/name
    helm -n awarenet install awarenet helm/awarenet -f helm/awarenet/ci/gpu-cloud-values.yaml -f mine.yaml
    helm -n awarenet test awarenet

Profiles to start from: {profiles}.

## Another version of the models

There are two slots, `blue` and `green`, each with gateways and Triton servers of its own, so that no request ever meets
two versions. `models.live` names the one that answers, `models.next` the one that is tried.

1. `models.slots.green: {{enabled: true, source: ...}}` brings the new models up. Nobody asks them yet.
2. `models.shadow.share: 0.2` has them judge a fifth of the pictures as well, by every stage, after the callers have
   their answers. `awarenet_gateway_shadow_total{{outcome="flipped"}}` counts verdicts that would turn round.
3. `models.canary.weight: 5` gives them five per cent of the requests.
4. `models.live: green` promotes them, and ends shadow and canary. `models.live: blue`, or `helm rollback`, takes it
   back at once: blue still runs.
5. `models.slots.blue.enabled: false` ends blue, once nobody wants it back.

Change the source of a slot only while it is not live.

## Autoscaling

Each signal is a load in pods: what there is to do over what one pod is made for. Above `autoscaling.scaleUpAt` of full
pods are added, below `scaleDownAt` they go, between the two nothing moves. KEDA asks Prometheus for the signals itself.
For an HPA the chart records them as `awarenet_load_pods{{deployment, signal}}`, which a Prometheus adapter must offer
as an external metric of that name.

## Values

| value | default | what and why |
| --- | --- | --- |
"""


@dataclass(frozen=True)
class Value:
    """One line of the table.

    Attributes:
        path: As in `--set`.
        default: As JSON.
        comment: What it does, and why the default.
    """

    path: str
    default: str
    comment: str


def values(text: str) -> Iterator[Value]:
    """Every value that has a comment, in the order of the file.

    Raises:
        ValueError: A value has neither a comment nor values below it.
    """
    lines = text.splitlines()
    yield from _below(yaml.compose(text), lines, "")


def _below(node: yaml.MappingNode, lines: list[str], path: str) -> Iterator[Value]:
    for key, inner in node.value:
        below = f"{path}.{key.value}".removeprefix(".")
        above = lines[key.start_mark.line - 1].strip() if key.start_mark.line else ""
        if above.startswith(_MARK):
            content = yaml.safe_load(yaml.serialize(inner))
            yield Value(below, json.dumps(content, ensure_ascii=False), above.removeprefix(_MARK))
        elif isinstance(inner, yaml.MappingNode) and inner.value and not inner.flow_style:
            yield from _below(inner, lines, below)
        else:
            raise ValueError(f"values.yaml: {below} has no comment; write one that begins with {_MARK!r} above it")


def readme() -> str:
    """The whole README."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    profiles = sorted(path.name for path in (CHART / "ci").glob("*-values.yaml"))
    text = _INTRODUCTION.format(
        description=chart["description"],
        version=chart["version"],
        app_version=chart["appVersion"],
        kube_version=chart["kubeVersion"],
        profiles=", ".join(f"[`{re.sub('-values.yaml$', '', name)}`](ci/{name})" for name in profiles),
    )
    for value in values((CHART / "values.yaml").read_text(encoding="utf-8")):
        text += f"| `{value.path}` | `{value.default}` | {value.comment.replace('|', '&#124;')} |\n"
    return text


def main() -> int:
    """Writes or checks; the exit code."""
    wanted = readme()
    if "--check" not in sys.argv[1:]:
        README.write_text(wanted, encoding="utf-8")
        return 0
    if README.is_file() and README.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write("helm/awarenet/README.md is not current; run `python helm/readme.py`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
