"""The parts of custom resources that the chart and `k8s/` use, as JSON schemas."""

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


def _resource(spec: Schema, *optional: str) -> Schema:
    fields = {"name": _TEXT, "namespace": _TEXT, "labels": _LABELS, "annotations": _LABELS}
    metadata = _closed(fields, "annotations", *optional)
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

_FREE: Schema = {"type": "object"}
"""Values of the chart, which have a schema of their own."""
_YES: Schema = {"type": "boolean"}

_SYNC_POLICY = _closed(
    {
        "automated": _closed({"prune": _YES, "selfHeal": _YES}),
        "syncOptions": _list({"type": "string", "pattern": "^[A-Z][A-Za-z]+=(true|false)$"}),
        "retry": _closed(
            {
                "limit": _COUNT,
                "backoff": _closed({"duration": _DURATION, "factor": _COUNT, "maxDuration": _DURATION}),
            }
        ),
    },
    "automated",
)
_APPLICATION = _closed(
    {
        "project": _TEXT,
        "source": _closed(
            {
                "repoURL": _TEXT,
                "targetRevision": _TEXT,
                "path": _TEXT,
                "helm": _closed(
                    {
                        "releaseName": _TEXT,
                        "valueFiles": _list(_TEXT),
                        "valuesObject": _FREE,
                        "parameters": _list(_closed({"name": _TEXT, "value": _TEXT})),
                    },
                    "parameters",
                ),
            }
        ),
        "destination": {
            **_closed({"server": _TEXT, "name": _TEXT, "namespace": _TEXT}, "server", "name"),
            "oneOf": [{"required": ["server"]}, {"required": ["name"]}],
        },
        "syncPolicy": _SYNC_POLICY,
        "revisionHistoryLimit": _COUNT,
    },
    "revisionHistoryLimit",
)
_STEP = _closed(
    {
        "matchExpressions": _list(
            _closed({"key": _TEXT, "operator": {"enum": ["In", "NotIn"]}, "values": _list(_TEXT)})
        ),
        "maxUpdate": {"type": ["integer", "string"]},
    },
    "maxUpdate",
)
_APPLICATION_SET = _closed(
    {
        "goTemplate": {"const": True},
        "goTemplateOptions": _list(_TEXT),
        "generators": _list(_closed({"list": _closed({"elements": _list(_LABELS)})})),
        "strategy": _closed({"type": {"const": "RollingSync"}, "rollingSync": _closed({"steps": _list(_STEP)})}),
        "template": _closed({"metadata": _closed({"name": _TEXT, "labels": _LABELS}), "spec": _APPLICATION}),
    }
)

_CHART_SOURCE = _closed(
    {
        "interval": _DURATION,
        "url": {"type": "string", "pattern": "^oci://"},
        "ref": _closed(dict.fromkeys(("semver", "tag", "digest"), _TEXT), "semver", "tag", "digest"),
        "layerSelector": _closed({"mediaType": _TEXT, "operation": {"enum": ["extract", "copy"]}}),
        "verify": _closed({"provider": {"enum": ["cosign", "notation"]}, "secretRef": _closed({"name": _TEXT})}),
    }
)
_HELM_RELEASE = _closed(
    {
        "interval": _DURATION,
        "timeout": _DURATION,
        "releaseName": {**_TEXT, "maxLength": 53},
        "chartRef": _closed({"kind": {"enum": ["OCIRepository", "HelmChart", "ExternalArtifact"]}, "name": _TEXT}),
        "maxHistory": _COUNT,
        "install": _closed({"remediation": _closed({"retries": {"type": "integer"}})}),
        "upgrade": _closed(
            {
                "cleanupOnFail": _YES,
                "remediation": _closed(
                    {
                        "retries": {"type": "integer"},
                        "strategy": {"enum": ["rollback", "uninstall"]},
                        "remediateLastFailure": _YES,
                    }
                ),
            }
        ),
        "rollback": _closed({"cleanupOnFail": _YES}),
        "test": _closed({"enable": _YES, "ignoreFailures": _YES}),
        "driftDetection": _closed({"mode": {"enum": ["enabled", "warn", "disabled"]}}),
        "values": _FREE,
    }
)

SCHEMAS: dict[str, Schema] = {
    "argoproj.io/v1alpha1 Application": _resource(_APPLICATION, "labels"),
    "argoproj.io/v1alpha1 ApplicationSet": _resource(_APPLICATION_SET, "labels"),
    "source.toolkit.fluxcd.io/v1 OCIRepository": _resource(_CHART_SOURCE, "labels"),
    "helm.toolkit.fluxcd.io/v2 HelmRelease": _resource(_HELM_RELEASE, "labels"),
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
