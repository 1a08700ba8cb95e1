{{/* Names are fixed: there is one installation a cluster, and a second one is refused by helm's ownership check. */}}

{{- define "simulacra.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: simulacra
{{- end }}

{{/* Labels of one role's objects: (list $ "api") */}}
{{- define "simulacra.roleLabels" -}}
{{ include "simulacra.selector" . }}
{{ include "simulacra.labels" (index . 0) }}
{{- end }}

{{- define "simulacra.selector" -}}
app.kubernetes.io/name: simulacra
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{/* The image of a role: (list $ "api" suffix) */}}
{{- define "simulacra.image" -}}
{{- $root := index . 0 }}
{{- $image := (index $root.Values (index . 1)).image }}
{{- $suffix := index . 2 }}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}{{ $suffix }}{{ end }}
{{- end }}

{{- define "simulacra.trainerImage" -}}
{{- include "simulacra.image" (list . "trainer" (eq .Values.trainer.image.variant "cuda" | ternary "-cuda" "")) }}
{{- end }}

{{/* Restricted Pod Security, as every pod of the product has it. */}}
{{- define "simulacra.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "simulacra.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "simulacra.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Address of the tryout's Service, from any namespace. */}}
{{- define "simulacra.tryoutHost" -}}
simulacra-tryout.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "simulacra.storeUrl" -}}
{{- if .Values.tryout.enabled -}}
s3://simulacra/data?endpoint=http://{{ include "simulacra.tryoutHost" . }}:8333&region=us-east-1
{{- else -}}
{{ .Values.store.url }}
{{- end }}
{{- end }}

{{- define "simulacra.auditUrl" -}}
{{- if .Values.tryout.enabled -}}
s3://simulacra/audit?endpoint=http://{{ include "simulacra.tryoutHost" . }}:8333&region=us-east-1
{{- else -}}
{{ .Values.store.auditUrl }}
{{- end }}
{{- end }}

{{- define "simulacra.keysUrl" -}}
{{- if .Values.tryout.enabled -}}
vault+http://{{ include "simulacra.tryoutHost" . }}:8200/transit?auth=token
{{- else -}}
{{ .Values.keys.url }}
{{- end }}
{{- end }}

{{/* The Secret whose keys are environment variables; empty where workload identity does it. */}}
{{- define "simulacra.credentials" -}}
{{- if .Values.tryout.enabled }}simulacra-credentials{{ else }}{{ .Values.credentials.existingSecret }}{{ end }}
{{- end }}

{{- define "simulacra.publicUrl" -}}
{{- .Values.api.publicUrl | default (printf "http://simulacra-api.%s.svc" .Release.Namespace) | trimSuffix "/" }}
{{- end }}

{{/* What every process of ours reads: where it is, the store, the keys, the audit log. */}}
{{- define "simulacra.env" -}}
- name: SIMULACRA_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: SIMULACRA_STORE
  value: {{ include "simulacra.storeUrl" . | quote }}
- name: SIMULACRA_AUDIT
  value: {{ include "simulacra.auditUrl" . | quote }}
- name: SIMULACRA_KEYS
  value: {{ include "simulacra.keysUrl" . | quote }}
{{- end }}

{{- define "simulacra.envFrom" -}}
{{- with include "simulacra.credentials" . }}
envFrom:
  - secretRef: {name: {{ . }}}
{{- end }}
{{- end }}
