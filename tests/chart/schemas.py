"""Objects against the schemas of their kinds: Kubernetes' own, and ours of custom resources."""

from __future__ import annotations

import jsonschema
import kubernetes_validate

from tests.chart.custom_resources import SCHEMAS
from tests.chart.rendering import Manifest

MINORS = ("1.30", "1.34", "1.37")
"""The oldest that the chart takes (Chart.yaml), one between, and the newest that there are schemas of."""


def check(item: Manifest, minor: str) -> None:
    """Holds an object against the schema of its kind.

    Raises:
        jsonschema.ValidationError: It breaks it.
    """
    if item["apiVersion"].split("/")[0] in {key.split("/")[0] for key in SCHEMAS}:
        jsonschema.validate(item, SCHEMAS[f"{item['apiVersion']} {item['kind']}"])
    else:
        kubernetes_validate.validate(item, minor, strict=True)
