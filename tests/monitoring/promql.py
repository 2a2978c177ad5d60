"""The expressions of rules and dashboards, and the names of metrics in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

MONITORING = Path(__file__).parents[2] / "monitoring"

_NO_METRIC = {"and", "or", "unless", "bool", "offset", "on", "ignoring", "by", "without", "group_left", "group_right"}

PLACEHOLDERS = {"$namespace": ".*", "$__rate_interval": "1m", "$price": "1"}
"""What Grafana puts in, as it stands where nothing is chosen."""


def metrics_in(expression: str) -> set[str]:
    """The names of metrics that an expression reads."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    return set(re.findall(r"(?<![\w:$])[A-Za-z_:][\w:]*\b(?!\s*\()", bare)) - _NO_METRIC


def rules() -> list[dict[str, Any]]:
    """Every rule."""
    loaded = (
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((MONITORING / "rules").glob("*.yaml"))
    )
    return [rule for file in loaded for group in file["groups"] for rule in group["rules"]]


def boards() -> dict[str, dict[str, Any]]:
    """Every committed dashboard by its file's name."""
    paths = sorted((MONITORING / "dashboards").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels of a dashboard that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board: dict[str, Any]) -> list[tuple[str, str]]:
    """Title of a panel and expression, as Grafana would send it."""
    found = []
    for panel in panels(board):
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in PLACEHOLDERS.items():
                expression = expression.replace(name, value)
            found.append((panel["title"], expression))
    return found
