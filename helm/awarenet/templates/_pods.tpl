{{/* What all pods share: Pod Security "restricted", where they may run, how an update replaces them. */}}

{{- define "awarenet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "awarenet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* The image and rights of a container. */}}
{{- define "awarenet.containerBase" -}}
image: {{ include "awarenet.image" . | quote }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
securityContext:
  {{- include "awarenet.containerSecurity" . | nindent 2 }}
{{- end -}}

{{- define "awarenet.strategy" -}}
type: {{ .type }}
{{- if eq .type "RollingUpdate" }}
rollingUpdate:
  maxSurge: {{ .maxSurge }}
  maxUnavailable: {{ .maxUnavailable }}
{{- end }}
{{- end -}}

{{/* Where the pods of a component may run; needs `root`, `component`, `slot`, and `gpu` where Triton is in the pod on one. */}}
{{- define "awarenet.placement" -}}
{{- $place := (index .root.Values .component).placement -}}
{{- $gpu := .root.Values.triton.gpu -}}
{{- with $place.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $tolerations := $place.tolerations }}
{{- if .gpu }}{{ $tolerations = append $tolerations (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule") }}{{ end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  podAntiAffinity:
    {{- if eq $place.antiAffinity "hard" }}
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "awarenet.selector" . | nindent 12 }}
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "awarenet.selector" . | nindent 14 }}
    {{- end }}
  {{- if and .gpu $gpu.products }}
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - key: {{ $gpu.productLabel }}
              operator: In
              values: {{ toJson $gpu.products }}
  {{- end }}
{{- with $place.spreadBy }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $place.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "awarenet.selector" $ | nindent 8 }}
{{- end }}
{{- with $place.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $place.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* `spec` of a pod up to its containers. */}}
{{- define "awarenet.podBase" -}}
serviceAccountName: {{ include "awarenet.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "awarenet.podSecurity" . | nindent 2 }}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- include "awarenet.placement" . | trim | nindent 0 }}
{{- end -}}

{{/* A disruption budget; `minAvailable` and `maxUnavailable` exclude each other by schema. */}}
{{- define "awarenet.pdb" -}}
{{- $pdb := (index .root.Values .component).pdb -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "awarenet.metadata" (merge (dict "name" (include "awarenet.slotName" .)) .) | nindent 2 }}
spec:
  {{- if ne (toString $pdb.minAvailable) "" }}
  minAvailable: {{ $pdb.minAvailable }}
  {{- else }}
  maxUnavailable: {{ $pdb.maxUnavailable }}
  {{- end }}
  # A pod that cannot answer anyway must not keep a node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "awarenet.selector" . | nindent 6 }}
{{- end -}}

{{- define "awarenet.serviceAccountObject" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "awarenet.metadata" (dict "root" .root "component" .component "name" (include "awarenet.serviceAccount" .) "annotations" (index .root.Values .component).serviceAccount.annotations) | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}
