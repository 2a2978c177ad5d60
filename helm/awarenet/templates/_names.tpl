{{/* Names, labels and images. "It" is a dictionary of `root`, `slot` and `component`. */}}

{{- define "awarenet.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains "awarenet" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-awarenet" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of what belongs to one component of one slot. */}}
{{- define "awarenet.slotName" -}}
{{- printf "%s-%s-%s" (include "awarenet.fullname" .root) .component .slot -}}
{{- end -}}

{{/* What never changes, and so may select. */}}
{{- define "awarenet.instance" -}}
app.kubernetes.io/name: awarenet
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "awarenet.selector" -}}
{{ include "awarenet.instance" .root }}
app.kubernetes.io/component: {{ .component }}
{{- with .slot }}
awarenet.io/slot: {{ . }}
{{- end }}
{{- end -}}

{{/* What every object bears, whatever it is. */}}
{{- define "awarenet.labels" -}}
{{ include "awarenet.instance" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: awarenet
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* `metadata` of an object: name, namespace, labels and annotations. */}}
{{- define "awarenet.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "awarenet.labels" .root | nindent 2 }}
  {{- with .component }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
  {{- with .slot }}
  awarenet.io/slot: {{ . }}
  {{- end }}
  {{- with merge (dict) (.labels | default dict) .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The image of a component: `images` entry, and the repository where that names none. */}}
{{- define "awarenet.image" -}}
{{- $image := index .root.Values.images .component -}}
{{- $repository := $image.repository | default (ternary "awarenet/triton" "awarenet/triton-cpu" (eq .root.Values.profile "gpu")) -}}
{{- with .root.Values.images.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* Names of the slots that run, separated by commas; the live one is among them by schema. */}}
{{- define "awarenet.slots" -}}
{{- $slots := list -}}
{{- range $name := list "blue" "green" -}}
{{- if (index $.Values.models.slots $name).enabled }}{{ $slots = append $slots $name }}{{ end -}}
{{- end -}}
{{- join "," $slots -}}
{{- end -}}

{{/* The slot that is tried; empty where it does not run, and once it is live. */}}
{{- define "awarenet.nextSlot" -}}
{{- $next := .Values.models.next -}}
{{- if and (ne $next .Values.models.live) (has $next (include "awarenet.slots" . | splitList ",")) }}{{ $next }}{{ end -}}
{{- end -}}

{{/* Per cent of the requests for the slot that is tried. */}}
{{- define "awarenet.canaryWeight" -}}
{{- if include "awarenet.nextSlot" . }}{{ .Values.models.canary.weight | int }}{{ else }}0{{ end -}}
{{- end -}}

{{- define "awarenet.serviceAccount" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- $account.name | default (printf "%s-%s" (include "awarenet.fullname" .root) .component) -}}
{{- end -}}

{{- define "awarenet.stateClaim" -}}
{{- .Values.state.existingClaim | default (printf "%s-state" (include "awarenet.fullname" .)) -}}
{{- end -}}
