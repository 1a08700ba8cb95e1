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

{{/* Labels of one role's pods: nothing that a new version of the chart changes, or each upgrade would restart them all. */}}
{{- define "simulacra.podLabels" -}}
{{ include "simulacra.selector" . }}
app.kubernetes.io/part-of: simulacra
{{- end }}

{{- define "simulacra.selector" -}}
app.kubernetes.io/name: simulacra
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{/* Namespace of the Secrets that the API writes: no ServiceAccount there has rights. */}}
{{- define "simulacra.clientsNamespace" -}}
{{ .Release.Namespace }}-clients
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
{{- $ingress := .Values.api.ingress }}
{{- $found := printf "http://simulacra-api.%s.svc" .Release.Namespace }}
{{- if and .Values.api.gateway.enabled .Values.api.gateway.hostnames }}
{{- $found = printf "https://%s" (first .Values.api.gateway.hostnames) }}
{{- else if $ingress.enabled }}
{{- $found = printf "%s://%s" (ternary "https" "http" (ne $ingress.tlsSecret "")) $ingress.host }}
{{- end }}
{{- .Values.api.publicUrl | default $found | trimSuffix "/" }}
{{- end }}

{{/* Names under which the API answers, beside that of its public URL. */}}
{{- define "simulacra.hosts" -}}
{{- $service := "simulacra-api" }}
{{- $inside := printf "%s.%s" $service .Release.Namespace }}
{{- $names := list $service $inside (printf "%s.svc" $inside) (printf "%s.svc.cluster.local" $inside) }}
{{- if .Values.api.ingress.enabled }}
{{- $names = append $names .Values.api.ingress.host }}
{{- end }}
{{- if .Values.api.gateway.enabled }}
{{- $names = concat $names .Values.api.gateway.hostnames }}
{{- end }}
{{- concat $names .Values.api.hosts | compact | uniq | join "," }}
{{- end }}

{{/* Environment of every process: namespace, store, keys, audit log. */}}
{{- define "simulacra.env" -}}
- name: SIMULACRA_LOG_LEVEL
  value: {{ .Values.log.level | quote }}
- name: SIMULACRA_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
- name: SIMULACRA_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: SIMULACRA_STORE
  value: {{ include "simulacra.storeUrl" . | quote }}
- name: SIMULACRA_AUDIT
  value: {{ include "simulacra.auditUrl" . | quote }}
- name: SIMULACRA_AUDIT_DAYS
  value: {{ .Values.store.auditDays | int | quote }}
- name: SIMULACRA_KEYS
  value: {{ include "simulacra.keysUrl" . | quote }}
- name: SIMULACRA_AUDIENCE
  value: {{ .Values.auth.audience | quote }}
- name: SIMULACRA_WEBHOOK_ALLOW_PRIVATE
  value: {{ .Values.webhooks.allowPrivate | ternary "true" "" | quote }}
{{- with .Values.auth.auth0.domain }}
- name: SIMULACRA_AUTH0_DOMAIN
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "simulacra.envFrom" -}}
{{- $secrets := list (include "simulacra.credentials" .) .Values.auth.auth0.existingSecret | compact }}
{{- with $secrets }}
envFrom:
  {{- range . }}
  - secretRef: {name: {{ . }}}
  {{- end }}
{{- end }}
{{- end }}

{{/* A Role in a namespace and its binding to the account of an API or operator: (list $ "api" namespace rules) */}}
{{- define "simulacra.role" -}}
{{- $root := index . 0 }}
{{- $name := printf "simulacra-%s" (index . 1) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ index . 2 }}
rules:
  {{ index . 3 | trim }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ index . 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ $name }}
    namespace: {{ $root.Release.Namespace }}
{{- end }}

{{/* The token that Jobs get for the key provider (trainer.tokenAudience), in API and operator at the same path. */}}
{{- define "simulacra.tokenMount" -}}
{{- if .Values.trainer.tokenAudience }}
- {name: identity, mountPath: /var/run/secrets/simulacra.dev, readOnly: true}
{{- end }}
{{- end }}

{{- define "simulacra.tokenVolume" -}}
{{- with .Values.trainer.tokenAudience }}
- name: identity
  projected:
    sources:
      - serviceAccountToken: {audience: {{ . | quote }}, expirationSeconds: 3600, path: token}
{{- end }}
{{- end }}

{{/* A role's pods on different nodes, where there are several: (list $ "api") */}}
{{- define "simulacra.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "simulacra.selector" . | nindent 8 }}
{{- end }}

{{/* Drains take one pod of a role at a time: (list $ "api") */}}
{{- define "simulacra.disruptionBudget" -}}
{{- $root := index . 0 }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: simulacra-{{ index . 1 }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "simulacra.roleLabels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "simulacra.selector" . | nindent 6 }}
{{- end }}

{{/* Scheduling of a role: its values */}}
{{- define "simulacra.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClass }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Metadata of a role's pods, with the annotations and labels of its values: (list $ "api") */}}
{{- define "simulacra.podMetadata" -}}
{{- $values := index (index . 0).Values (index . 1) }}
{{- with $values.podAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
labels:
  {{- include "simulacra.podLabels" . | nindent 2 }}
  {{- with $values.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

{{/* Where Prometheus finds the API's metrics: nothing that leads to it from outside. */}}
{{- define "simulacra.apiMetrics" -}}
simulacra-api{{ if ne .Values.api.service.type "ClusterIP" }}-metrics{{ end }}
{{- end }}

{{/* Egress rules, as a list: DNS, and store and key provider. Tenants' pods get these and no others. */}}
{{- define "simulacra.custodyEgress" -}}
- to: {{- .Values.networkPolicy.dns.to | default (include "simulacra.anywhere" . | fromYamlArray) | toYaml | nindent 4 }}
  ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
{{- if .Values.tryout.enabled }}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}}
      podSelector: {matchLabels: {app.kubernetes.io/name: simulacra, app.kubernetes.io/component: tryout}}
  ports: [{protocol: TCP, port: 8333}, {protocol: TCP, port: 8200}]
{{- else }}
- to: {{- include "simulacra.peers" (list . .Values.networkPolicy.custody.cidrs) | nindent 4 }}
  ports:
    {{- range include "simulacra.custodyPorts" . | splitList "," }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- end }}

{{- define "simulacra.anywhere" -}}
- ipBlock: {cidr: 0.0.0.0/0}
- ipBlock: {cidr: "::/0"}
{{- end }}

{{- define "simulacra.peers" -}}
{{- range index . 1 }}
- ipBlock: {cidr: {{ . | quote }}}
{{- else }}
{{ include "simulacra.anywhere" (index . 0) }}
{{- end }}
{{- end }}

{{/* 443 and every port that an address of store, audit log or keys names, separated by commas. */}}
{{- define "simulacra.custodyPorts" -}}
{{- $ports := list "443" }}
{{- $urls := join " " (list .Values.store.url .Values.store.auditUrl .Values.keys.url) | replace "%3A" ":" | replace "%2F" "/" }}
{{- range regexFindAll "://[^/?& ]+:[0-9]+" $urls -1 }}
{{- $ports = append $ports (regexFind "[0-9]+$" .) }}
{{- end }}
{{- $ports | uniq | join "," }}
{{- end }}

{{/* Egress rule to the API server. */}}
{{- define "simulacra.apiServerEgress" -}}
{{- $ports := .Values.networkPolicy.apiServer.ports }}
{{- if not $ports }}
{{- range (lookup "discovery.k8s.io/v1" "EndpointSlice" "default" "kubernetes").ports }}
{{- $ports = append $ports (int .port) }}
{{- end }}
{{- end }}
- to: {{- include "simulacra.peers" (list . .Values.networkPolicy.apiServer.cidrs) | nindent 4 }}
  ports:
    {{- range $ports | default (list 443 6443) }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
