{{/* What the autoscaler follows. Every signal is a load in pods: 3.5 means that three and a half pods would be full.

A signal is one PromQL expression, the same for KEDA (which asks it) and for an HPA (for which it is recorded). Between
`scaleDownAt` and `scaleUpAt` it equals what the pods there are made for, so nothing moves; below, it aims at the middle of
the two, so that the pods that stay are not at once too few.
*/}}

{{/* Chooses the series of the pods of one Deployment. */}}
{{- define "awarenet.series" -}}
namespace={{ .root.Release.Namespace | quote }},pod=~"{{ include "awarenet.slotName" . }}-[a-z0-9]+-[a-z0-9]+"
{{- end -}}

{{/* `load` in pods, `pods` there are: with the band in which nothing moves. */}}
{{- define "awarenet.band" -}}
{{- $up := .root.Values.autoscaling.scaleUpAt -}}
{{- $down := .root.Values.autoscaling.scaleDownAt -}}
{{- $middle := divf (addf $up $down) 2 -}}
(({{ .load }}) > {{ $up }} * {{ .pods }}) or (({{ .load }}) < {{ $down }} * {{ .pods }}) * {{ round (divf $up $middle) 4 }} or {{ $up }} * {{ .pods }} + 0 * ({{ .load }})
{{- end -}}

{{/* Signals of Triton by name, as YAML. `component` names the pods that it runs in. */}}
{{- define "awarenet.tritonSignals" -}}
{{- $full := .root.Values.triton.autoscaling.signals -}}
{{- $series := include "awarenet.series" . -}}
{{- $pods := printf "count(nv_inference_pending_request_count{model=\"cascade\",%s})" $series -}}
{{- $pending := printf "sum(nv_inference_pending_request_count{model=\"cascade\",%s}) / %d" $series (int $full.pending) -}}
{{- $wait := printf "sum by (model) (rate(nv_inference_queue_duration_us{%s}[1m])) / clamp_min(sum by (model) (rate(nv_inference_request_success{%s}[1m])), 0.001)" $series $series -}}
{{- $queue := printf "max(%s) / %d * %s" $wait (mul 1000 (int $full.queueMilliseconds)) $pods -}}
pending: {{ include "awarenet.band" (dict "root" .root "pods" $pods "load" $pending) | quote }}
queue: {{ include "awarenet.band" (dict "root" .root "pods" $pods "load" $queue) | quote }}
{{- end -}}

{{- define "awarenet.gatewaySignals" -}}
{{- $gateway := .root.Values.gateway -}}
{{- $full := $gateway.autoscaling.signals -}}
{{- $series := include "awarenet.series" . -}}
{{- $pods := printf "count(awarenet_gateway_in_flight{%s})" $series -}}
{{- $pictures := printf "sum(awarenet_gateway_running{%s} + awarenet_gateway_queue{%s}) / %v" $series $series (mulf $full.picturesPerWorker $gateway.workers) -}}
{{- $flight := printf "sum(awarenet_gateway_in_flight{%s}) / %v" $series (mulf $full.inFlight $gateway.requests) -}}
{{- $asked := printf "route!~\"/livez|/readyz|/metrics|/drain\",%s" $series -}}
{{- $refused := printf "(sum(rate(awarenet_gateway_requests_total{status=\"503\",%s}[1m])) or 0 * %s)" $asked $pods -}}
{{- $all := printf "clamp_min(sum(rate(awarenet_gateway_requests_total{%s}[1m])) or 0 * %s, 0.001)" $asked $pods -}}
{{- $rejects := printf "%s / %s / %v * %s" $refused $all $full.rejectRate $pods -}}
pictures: {{ include "awarenet.band" (dict "root" .root "pods" $pods "load" $pictures) | quote }}
in_flight: {{ include "awarenet.band" (dict "root" .root "pods" $pods "load" $flight) | quote }}
rejects: {{ include "awarenet.band" (dict "root" .root "pods" $pods "load" $rejects) | quote }}
{{- end -}}

{{/* Signals of the Deployment of a component; in a pair both kinds move it. */}}
{{- define "awarenet.signals" -}}
{{- if eq .component "triton" -}}
{{ include "awarenet.tritonSignals" . }}
{{- else -}}
{{ include "awarenet.gatewaySignals" . }}
{{- if eq .root.Values.layout "pair" }}
{{ include "awarenet.tritonSignals" . }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "awarenet.behavior" -}}
scaleUp:
  stabilizationWindowSeconds: {{ int .scaleUp.stabilizationSeconds }}
  selectPolicy: Max
  policies:
    - {type: Percent, value: {{ int .scaleUp.percent }}, periodSeconds: {{ int .scaleUp.periodSeconds }}}
    - {type: Pods, value: {{ int .scaleUp.pods }}, periodSeconds: {{ int .scaleUp.periodSeconds }}}
scaleDown:
  stabilizationWindowSeconds: {{ int .scaleDown.stabilizationSeconds }}
  selectPolicy: Max
  policies:
    - {type: Percent, value: {{ int .scaleDown.percent }}, periodSeconds: {{ int .scaleDown.periodSeconds }}}
    - {type: Pods, value: 1, periodSeconds: {{ int .scaleDown.periodSeconds }}}
{{- end -}}

{{/* The autoscaler of one Deployment. */}}
{{- define "awarenet.autoscaler" -}}
{{- $all := .root.Values.autoscaling -}}
{{- $own := (index .root.Values .component).autoscaling -}}
{{- $name := include "awarenet.slotName" . -}}
{{- $target := dict "apiVersion" "apps/v1" "kind" "Deployment" "name" $name -}}
{{- if ge $all.scaleDownAt $all.scaleUpAt }}{{ fail "autoscaling.scaleDownAt must be below autoscaling.scaleUpAt" }}{{ end -}}
{{- if gt (int $own.min) (int $own.max) }}{{ fail (printf "%s.autoscaling.min must not be above max" .component) }}{{ end -}}
{{- if eq $all.engine "keda" -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "awarenet.metadata" (merge (dict "name" $name) .) | nindent 2 }}
spec:
  scaleTargetRef:
    {{- toYaml $target | nindent 4 }}
  pollingInterval: {{ int $all.pollingSeconds }}
  minReplicaCount: {{ int $own.min }}
  maxReplicaCount: {{ int $own.max }}
  fallback:
    failureThreshold: {{ int $all.fallback.failures }}
    replicas: {{ min (int $own.max) (max (int $own.min) (int $all.fallback.replicas)) }}
    behavior: currentReplicasIfHigher
  advanced:
    horizontalPodAutoscalerConfig:
      name: {{ $name }}
      behavior:
        {{- include "awarenet.behavior" $own | nindent 8 }}
  triggers:
    {{- range $signal, $query := include "awarenet.signals" . | fromYaml }}
    - type: prometheus
      name: {{ $signal | replace "_" "-" }}
      metricType: AverageValue
      metadata:
        serverAddress: {{ $all.prometheus | quote }}
        query: {{ $query | quote }}
        threshold: {{ $all.scaleUpAt | quote }}
        # No data is no calm: after some looks the fallback holds.
        ignoreNullValues: "false"
      {{- with $all.triggerAuthentication }}
      authenticationRef: {name: {{ . }}}
      {{- end }}
    {{- end }}
{{- else -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "awarenet.metadata" (merge (dict "name" $name) .) | nindent 2 }}
spec:
  scaleTargetRef:
    {{- toYaml $target | nindent 4 }}
  minReplicas: {{ int $own.min }}
  maxReplicas: {{ int $own.max }}
  behavior:
    {{- include "awarenet.behavior" $own | nindent 4 }}
  metrics:
    {{- range $signal, $query := include "awarenet.signals" . | fromYaml }}
    - type: External
      external:
        metric:
          name: awarenet_load_pods
          selector:
            matchLabels: {deployment: {{ $name }}, signal: {{ $signal }}}
        target: {type: AverageValue, averageValue: {{ printf "%dm" (mulf $all.scaleUpAt 1000 | int) }}}
    {{- end }}
{{- end }}
{{- end -}}
