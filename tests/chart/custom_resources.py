"""The parts of custom resources that the chart uses, as JSON schemas: no package for Python has their definitions."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_LABELS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_SELECTOR: Schema = {"type": "object", "required": ["matchLabels"], "properties": {"matchLabels": _LABELS}}
_DURATION: Schema = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}


def _closed(properties: dict[str, Schema], *optional: str) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def _list(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


def _resource(spec: Schema) -> Schema:
    metadata = _closed({"name": _TEXT, "namespace": _TEXT, "labels": _LABELS, "annotations": _LABELS}, "annotations")
    return _closed({"apiVersion": _TEXT, "kind": _TEXT, "metadata": metadata, "spec": spec})


_POLICY = _closed(
    {
        "type": {"enum": ["Percent", "Pods"]},
        "value": _COUNT,
        "periodSeconds": {"type": "integer", "minimum": 1, "maximum": 1800},
    }
)
_DIRECTION = _closed(
    {
        "stabilizationWindowSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
        "selectPolicy": {"enum": ["Max", "Min", "Disabled"]},
        "policies": _list(_POLICY),
    }
)
_TRIGGER = _closed(
    {
        "type": {"const": "prometheus"},
        "name": _TEXT,
        "metricType": {"enum": ["AverageValue", "Value"]},
        # KEDA takes every piece of a trigger's metadata as text.
        "metadata": _closed(dict.fromkeys(("serverAddress", "query", "threshold", "ignoreNullValues"), _TEXT)),
        "authenticationRef": _closed({"name": _TEXT}),
    },
    "authenticationRef",
)
_SCALED_OBJECT = _closed(
    {
        "scaleTargetRef": _closed({"apiVersion": _TEXT, "kind": _TEXT, "name": _TEXT}),
        "pollingInterval": _COUNT,
        "minReplicaCount": _COUNT,
        "maxReplicaCount": _COUNT,
        "fallback": _closed(
            {
                "failureThreshold": _COUNT,
                "replicas": _COUNT,
                "behavior": {
                    "enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]
                },
            }
        ),
        "advanced": _closed(
            {
                "horizontalPodAutoscalerConfig": _closed(
                    {"name": _TEXT, "behavior": _closed({"scaleUp": _DIRECTION, "scaleDown": _DIRECTION})}
                )
            }
        ),
        "triggers": _list(_TRIGGER),
    }
)

_ENDPOINT = _closed({"port": _TEXT, "path": _TEXT, "interval": _DURATION})
_RULE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["expr"],
    "properties": {
        "alert": _TEXT,
        "record": _TEXT,
        "expr": {"type": ["string", "integer"]},
        "for": _DURATION,
        "keep_firing_for": _DURATION,
        "labels": _LABELS,
        "annotations": _LABELS,
    },
    "oneOf": [{"required": ["alert"]}, {"required": ["record"]}],
}
_GROUP = _closed({"name": _TEXT, "interval": _DURATION, "rules": _list(_RULE), "limit": _COUNT}, "interval", "limit")

_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_BACKEND = _closed({"name": _TEXT, "port": _PORT, "weight": {"type": "integer", "minimum": 0, "maximum": 1_000_000}})
_PARENT = _closed(
    {"name": _TEXT, "namespace": _TEXT, "sectionName": _TEXT, "group": _TEXT, "kind": _TEXT, "port": _PORT},
    "namespace",
    "sectionName",
    "group",
    "kind",
    "port",
)
_ROUTE = _closed(
    {
        "parentRefs": _list(_PARENT),
        "hostnames": _list(_TEXT),
        "rules": _list(
            _closed(
                {
                    "matches": _list(
                        _closed({"path": _closed({"type": {"enum": ["Exact", "PathPrefix"]}, "value": _TEXT})})
                    ),
                    "backendRefs": _list(_BACKEND),
                }
            )
        ),
    },
    "hostnames",
)

SCHEMAS: dict[str, Schema] = {
    "keda.sh/v1alpha1 ScaledObject": _resource(_SCALED_OBJECT),
    "monitoring.coreos.com/v1 ServiceMonitor": _resource(
        _closed(
            {
                "selector": _SELECTOR,
                "targetLabels": _list(_TEXT),
                "endpoints": _list(_ENDPOINT),
            }
        )
    ),
    "monitoring.coreos.com/v1 PodMonitor": _resource(
        _closed(
            {
                "selector": _SELECTOR,
                "podTargetLabels": _list(_TEXT),
                "podMetricsEndpoints": _list(_ENDPOINT),
            }
        )
    ),
    "monitoring.coreos.com/v1 PrometheusRule": _resource(_closed({"groups": _list(_GROUP)})),
    "gateway.networking.k8s.io/v1 HTTPRoute": _resource(_ROUTE),
    "external-secrets.io/v1 ExternalSecret": _resource(
        _closed(
            {
                "refreshInterval": _DURATION,
                "secretStoreRef": _closed({"kind": {"enum": ["SecretStore", "ClusterSecretStore"]}, "name": _TEXT}),
                "target": _closed({"name": _TEXT, "creationPolicy": {"enum": ["Owner", "Orphan", "Merge", "None"]}}),
                "data": _list(_closed({"secretKey": _TEXT, "remoteRef": _closed({"key": _TEXT, "property": _TEXT})})),
            }
        )
    ),
}
