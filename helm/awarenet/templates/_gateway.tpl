{{/* The gateway container. Needs `root` and `slot`. */}}

{{/* Fields of gateway/settings.py and their values; `gateway.settings` may name any other. */}}
{{- define "awarenet.gatewaySettings" -}}
{{- $values := .root.Values -}}
{{- $name := include "awarenet.fullname" .root -}}
host: 0.0.0.0
port: {{ int $values.gateway.port }}
{{- if eq $values.layout "pair" }}
server: grpc://127.0.0.1:{{ int $values.triton.ports.grpc }}
{{- else }}
server: grpc://{{ include "awarenet.tritonHost" . }}:{{ int $values.triton.ports.grpc }}
{{- end }}
{{- $next := include "awarenet.nextSlot" .root }}
{{- if and $next (eq .slot $values.models.live) (gt (float64 $values.models.shadow.share) 0.0) (eq $values.layout "separate") }}
shadow_server: grpc://{{ include "awarenet.tritonHost" (merge (dict "slot" $next) .) }}:{{ int $values.triton.ports.grpc }}
shadow_share: {{ $values.models.shadow.share }}
{{- end }}
{{- if or $values.ingress.enabled $values.httpRoute.enabled $values.envoy.enabled }}
proxies: {{ toJson $values.gateway.proxies }}
{{- end }}
state_folder: /var/lib/awarenet
workers: {{ int $values.gateway.workers }}
queue: {{ int $values.gateway.queue }}
clip_workers: {{ int $values.gateway.clipWorkers }}
worker_memory_bytes: {{ include "awarenet.bytes" $values.gateway.workerMemory }}
requests: {{ int $values.gateway.requests }}
drain_timeout_s: {{ int $values.lifecycle.gatewayDrainSeconds }}
{{- with $values.monitoring.traces.endpoint }}
traces_endpoint: {{ . }}
{{- end }}
log_json: true
{{- end -}}

{{/* Name under which the Triton pods of a slot are found: every address, not one of them. Without a namespace, so that it
     is that of the pod wherever Kustomize puts it. */}}
{{- define "awarenet.tritonHost" -}}
{{ include "awarenet.slotName" (dict "root" .root "component" "triton" "slot" .slot) }}
{{- end -}}

{{/* Bytes of a quantity in Mi or Gi. */}}
{{- define "awarenet.bytes" -}}
{{- $factor := ternary 1073741824 1048576 (hasSuffix "Gi" .) -}}
{{ mul (regexFind "^[0-9]+" . | int) $factor }}
{{- end -}}

{{- define "awarenet.gatewayContainer" -}}
{{- $values := .root.Values -}}
name: gateway
{{ include "awarenet.containerBase" . }}
args: [python, -m, gateway, serve]
env:
  {{- range $field, $value := merge (deepCopy $values.gateway.settings) (include "awarenet.gatewaySettings" . | fromYaml) }}
  - name: AWARENET_{{ upper $field }}
    {{- if kindIs "slice" $value }}
    value: {{ toJson $value | quote }}
    {{- else if kindIs "float64" $value }}
    value: {{ ternary ($value | int64 | toString) ($value | toString) (eq $value (floor $value)) | quote }}
    {{- else }}
    value: {{ $value | quote }}
    {{- end }}
  {{- end }}
  - name: AWARENET_MASTER_KEY
    valueFrom: {secretKeyRef: {name: {{ $values.secrets.name }}, key: {{ $values.secrets.masterKeyKey }}}}
  - name: AWARENET_FIRST_API_KEY
    valueFrom: {secretKeyRef: {name: {{ $values.secrets.name }}, key: {{ $values.secrets.apiKeyKey }}}}
  {{- if $values.database.enabled }}
  - name: AWARENET_DATABASE
    valueFrom: {secretKeyRef: {name: {{ $values.secrets.name }}, key: {{ $values.secrets.databaseUrlKey }}}}
  {{- end }}
ports:
  - {name: http, containerPort: {{ int $values.gateway.port }}}
# Ready means that the golden picture went through worker, decoder, face engine and every stage on Triton, and came back right.
startupProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: {{ int $values.probes.timeoutSeconds }}
  failureThreshold: {{ div (add (int $values.triton.startTimeoutSeconds) 124) 5 }}
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: {{ int $values.probes.periodSeconds }}
  timeoutSeconds: {{ int $values.probes.timeoutSeconds }}
  failureThreshold: {{ int $values.probes.readinessFailures }}
# Not readiness: a gateway without its Triton is not mended by a new start.
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: {{ int $values.probes.periodSeconds }}
  timeoutSeconds: {{ int $values.probes.timeoutSeconds }}
  failureThreshold: {{ int $values.probes.livenessFailures }}
lifecycle:
  # Takes requests until nobody sends any more, then finishes what is under way: SIGTERM finds nothing to lose.
  preStop:
    exec: {command: [python, -m, gateway, drain, --settle, {{ int $values.lifecycle.endpointRemovalSeconds | quote }}]}
resources:
  {{- toYaml $values.gateway.resources | nindent 2 }}
volumeMounts:
  - {name: state, mountPath: /var/lib/awarenet}
  - {name: temporary, mountPath: /tmp}
  - {name: cache, mountPath: /var/cache/awarenet}
  - {name: shared-memory, mountPath: /dev/shm}
{{- end -}}

{{- define "awarenet.gatewayVolumes" -}}
- name: state
  {{- if eq .root.Values.state.kind "claim" }}
  persistentVolumeClaim: {claimName: {{ include "awarenet.stateClaim" .root }}}
  {{- else }}
  emptyDir: {sizeLimit: 1Gi}
  {{- end }}
{{- if eq .root.Values.layout "pair" }}
{{- include "awarenet.tritonVolumes" . | nindent 0 }}
{{- else }}
- name: shared-memory
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
- name: temporary
  emptyDir: {sizeLimit: 256Mi}
- name: cache
  emptyDir: {sizeLimit: 64Mi}
{{- end }}
{{- end -}}
