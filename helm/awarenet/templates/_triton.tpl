{{/* The Triton container, what runs before it, and its volumes. Needs `root` and `slot`. */}}

{{/* `/dev/shm` in MiB: each face twice, for the router and for a stage, a region to begin with for each process of a
     model, and beside a gateway the region of each of its workers. */}}
{{- define "awarenet.sharedMemory" -}}
{{- $face := mul 256 256 3 -}}
{{- $bytes := mul 2 $face (int .Values.triton.facesInFlight) -}}
{{- $mebibytes := add (div (add $bytes 1048575) 1048576) 64 -}}
{{- if eq .Values.layout "pair" -}}
{{- $mebibytes = add $mebibytes (mul 32 (add (int .Values.gateway.workers) (int .Values.gateway.clipWorkers))) -}}
{{- end -}}
{{ $mebibytes }}Mi
{{- end -}}

{{/* Where the models are fetched from; empty where those in the image are served as they are. Plans lie beside the other
     files of a model, so with plans the image's own repository is taken into a volume too. */}}
{{- define "awarenet.source" -}}
{{- $own := ternary "/opt/awarenet/models" "" .root.Values.models.plans.enabled -}}
{{- (index .root.Values.models.slots .slot).source | default $own -}}
{{- end -}}

{{- define "awarenet.modelRepository" -}}
{{- if include "awarenet.source" . }}/models/current{{ else }}/opt/awarenet/models{{ end -}}
{{- end -}}

{{/* `env` of a container that meets the models of a slot: `more`, and who may have signed those that come from elsewhere.
     Those inside the image come with its digest. */}}
{{- define "awarenet.modelEnvironment" -}}
{{- $environment := deepCopy .more -}}
{{- if and (index .root.Values.models.slots .slot).source .root.Values.models.trustedKeys -}}
{{- $_ := set $environment "AWARENET_TRUSTED_KEYS" (join " " .root.Values.models.trustedKeys) -}}
{{- end -}}
{{- with $environment -}}
env:
  {{- range $name, $value := . }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* The containers that run before Triton. */}}
{{- define "awarenet.tritonInit" -}}
{{- $models := .root.Values.models -}}
{{- $slot := index $models.slots .slot -}}
{{- with include "awarenet.source" . }}
- name: fetch-models
  {{- include "awarenet.containerBase" $ | nindent 2 }}
  # Holds every file against the manifest, and that against who may sign it; whatever is altered, missing, added or by
  # somebody else ends it, and the pod does not start.
  args: [awarenet, models, fetch, {{ . | quote }}, {{ include "awarenet.modelRepository" $ }}]
  {{- with include "awarenet.modelEnvironment" (merge (dict "more" $models.fetchEnvironment) $) }}
  {{- nindent 2 . }}
  {{- end }}
  {{- with $models.fetchSecret }}
  envFrom:
    - secretRef: {name: {{ . }}}
  {{- end }}
  resources:
    requests: {cpu: 100m, memory: 256Mi, ephemeral-storage: {{ $models.volumeSize }}}
    limits: {cpu: "1", memory: 1Gi, ephemeral-storage: {{ $models.volumeSize }}}
  volumeMounts:
    - {name: models, mountPath: /models}
    - {name: temporary, mountPath: /tmp}
    - {name: cache, mountPath: /var/cache/awarenet}
    {{- if $slot.claim }}
    - {name: source, mountPath: /source, readOnly: true}
    {{- end }}
{{- end }}
{{- if $models.plans.enabled }}
- name: build-plans
  {{- include "awarenet.containerBase" . | nindent 2 }}
  # On the card that will run them; kept by GPU and TensorRT version, so that a second start finds them.
  args: [awarenet, models, plans, {{ include "awarenet.modelRepository" . }}, --cache, /plans]
  {{- with include "awarenet.modelEnvironment" (merge (dict "more" dict) $) }}
  {{- nindent 2 . }}
  {{- end }}
  resources:
    {{- include "awarenet.tritonResources" . | nindent 4 }}
  volumeMounts:
    - {name: models, mountPath: /models}
    - {name: plans, mountPath: /plans}
    - {name: temporary, mountPath: /tmp}
    - {name: cache, mountPath: /var/cache/awarenet}
{{- end }}
{{- end -}}

{{- define "awarenet.tritonResources" -}}
{{- $resources := deepCopy .root.Values.triton.resources -}}
{{- if eq .root.Values.profile "gpu" -}}
{{- $gpu := .root.Values.triton.gpu -}}
{{- range $kind := list "requests" "limits" -}}
{{- $_ := set (index $resources $kind) $gpu.resource (int $gpu.count) -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- define "awarenet.tritonContainer" -}}
{{- $values := .root.Values -}}
{{- $ports := $values.triton.ports -}}
{{- $pair := eq $values.layout "pair" -}}
name: triton
{{ include "awarenet.containerBase" . }}
{{- if $pair }}
restartPolicy: Always # A sidecar: it starts before the gateway, and ends after it.
{{- end }}
args:
  # Not `command`: NVIDIA's entry point sets up CUDA.
  - awarenet
  - serve
  - --model-repository={{ include "awarenet.modelRepository" . }}
  {{- with $values.triton.target }}
  - --target={{ . }}
  {{- end }}
  - --host=0.0.0.0
  - --http-port={{ int $ports.http }}
  - --grpc-port={{ int $ports.grpc }}
  - --metrics-port={{ int $ports.metrics }}
  - --health-port={{ int $ports.health }}
  - --start-timeout={{ int $values.triton.startTimeoutSeconds }}
  - --drain-timeout={{ int $values.lifecycle.tritonDrainSeconds }}
  {{- if not $pair }}
  - --connection-age={{ int $values.lifecycle.connectionAgeSeconds }}
  {{- end }}
  {{- with $values.monitoring.traces.endpoint }}
  - --traces-endpoint={{ . }}
  {{- end }}
{{- with include "awarenet.modelEnvironment" (merge (dict "more" $values.triton.environment) .) }}
{{ . }}
{{- end }}
ports:
  {{- if not $pair }}
  - {name: grpc, containerPort: {{ int $ports.grpc }}}
  {{- end }}
  - {name: metrics, containerPort: {{ int $ports.metrics }}}
  - {name: health, containerPort: {{ int $ports.health }}}
# All three read what the minder of the server learned from the golden inference, which it asks every five seconds.
startupProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: {{ div (add (int $values.triton.startTimeoutSeconds) 64) 5 }}
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: {{ int $values.probes.periodSeconds }}
  timeoutSeconds: 2
  failureThreshold: {{ int $values.probes.readinessFailures }}
livenessProbe:
  httpGet: {path: /livez, port: health}
  periodSeconds: {{ int $values.probes.periodSeconds }}
  timeoutSeconds: 2
  failureThreshold: {{ int $values.probes.livenessFailures }}
{{- if not $pair }}
lifecycle:
  # Gateways leave before the server is told to end: SIGTERM retires the cascade and refuses whoever comes later.
  preStop:
    sleep: {seconds: {{ include "awarenet.tritonLeaveSeconds" .root }}}
{{- end }}
resources:
  {{- include "awarenet.tritonResources" . | nindent 2 }}
volumeMounts:
  - {name: shared-memory, mountPath: /dev/shm}
  - {name: temporary, mountPath: /tmp}
  - {name: cache, mountPath: /var/cache/awarenet}
  {{- if include "awarenet.source" . }}
  - {name: models, mountPath: /models, readOnly: true}
  {{- end }}
  {{- if $values.models.plans.enabled }}
  - {name: plans, mountPath: /plans, readOnly: true}
  {{- end }}
{{- end -}}

{{- define "awarenet.tritonVolumes" -}}
{{- $models := .root.Values.models -}}
- name: shared-memory
  emptyDir: {medium: Memory, sizeLimit: {{ include "awarenet.sharedMemory" .root }}}
- name: temporary
  emptyDir: {sizeLimit: 256Mi}
- name: cache
  emptyDir: {sizeLimit: 64Mi}
{{- if include "awarenet.source" . }}
- name: models
  emptyDir: {sizeLimit: {{ $models.volumeSize }}}
{{- end }}
{{- with (index $models.slots .slot).claim }}
- name: source
  persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}
{{- end }}
{{- if $models.plans.enabled }}
- name: plans
  {{- with $models.plans.claim }}
  persistentVolumeClaim: {claimName: {{ . }}}
  {{- else }}
  emptyDir: {sizeLimit: {{ $models.plans.volumeSize }}}
  {{- end }}
{{- end }}
{{- end -}}
