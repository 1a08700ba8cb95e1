{{- /* The Grafana dashboard: what its panels have in common, around files/panels.yaml. */}}
{{- define "simulacra.dashboard" }}
uid: simulacra
title: Simulacra
description: API, operator, custody and the promises of retention.
schemaVersion: 39
tags: [simulacra]
timezone: utc
refresh: 30s
time: {from: now-6h, to: now}
templating:
  list:
    - {name: datasource, type: datasource, query: prometheus, label: Prometheus}
panels:
  {{- range $at, $panel := .Files.Get "files/panels.yaml" | fromYamlArray }}
  - id: {{ add1 $at }}
    type: timeseries
    title: {{ $panel.title | quote }}
    description: {{ $panel.description | quote }}
    datasource: {type: prometheus, uid: "${datasource}"}
    gridPos: {h: 8, w: 8, x: {{ mod $at 3 | mul 8 }}, "y": {{ div $at 3 | mul 8 }}}
    fieldConfig: {defaults: {unit: {{ $panel.unit }}, min: 0}, overrides: []}
    targets:
      {{- range $place, $query := $panel.queries }}
      - {refId: {{ index (list "A" "B" "C") $place }}, expr: {{ $query.expr | quote }}, legendFormat: {{ $query.legend | quote }}}
      {{- end }}
  {{- end }}
{{- end }}
