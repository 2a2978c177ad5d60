{{/* The end of a pod, in seconds. Nothing is guessed: each figure is a sum of what happens one after the other.

gateway: others stop sending | the drain through /drain | SIGTERM, which finds nothing left, or drains what came anyway
triton:  others stop sending | gateways connect anew | SIGTERM: the cascade is retired, then Triton ends
pair:    the gateway's, then Triton's: a sidecar is told to end when the gateway is gone
*/}}

{{/* What `awarenet serve` gives Triton itself when the cascade is retired (`--exit-timeout-secs`). */}}
{{- define "awarenet.tritonExitSeconds" -}}5{{- end -}}

{{- define "awarenet.gatewayEndSeconds" -}}
{{- with .Values.lifecycle -}}
{{ add (int .endpointRemovalSeconds) (mul 2 (int .gatewayDrainSeconds)) }}
{{- end -}}
{{- end -}}

{{/* Seconds before SIGTERM in which gateways leave a Triton server; gRPC stretches the age of a connection by up to a tenth. */}}
{{- define "awarenet.tritonLeaveSeconds" -}}
{{- with .Values.lifecycle -}}
{{ add (int .endpointRemovalSeconds) (div (add 9 (mul 11 (int .connectionAgeSeconds))) 10) }}
{{- end -}}
{{- end -}}

{{- define "awarenet.tritonDrainSeconds" -}}
{{ add (int .Values.lifecycle.tritonDrainSeconds) (include "awarenet.tritonExitSeconds" . | int) }}
{{- end -}}

{{- define "awarenet.gatewayGraceSeconds" -}}
{{- $seconds := add (include "awarenet.gatewayEndSeconds" . | int) (int .Values.lifecycle.marginSeconds) -}}
{{- if eq .Values.layout "pair" }}{{ $seconds = add $seconds (include "awarenet.tritonDrainSeconds" . | int) }}{{ end -}}
{{ $seconds }}
{{- end -}}

{{- define "awarenet.tritonGraceSeconds" -}}
{{ add (include "awarenet.tritonLeaveSeconds" . | int) (include "awarenet.tritonDrainSeconds" . | int) (int .Values.lifecycle.marginSeconds) }}
{{- end -}}
