{{/*
None of them asks Kafka, Redis or another service: a pod is not started again for what others do. `/livez` and gRPC's health tell
that the process answers; `/readyz` turns once, when ingest has learnt the accounts and the events topic, and stays.
*/}}
{{- define "angarium.probes" -}}
{{- $live := ternary "httpGet: {path: /livez, port: http}" (printf "grpc: {port: %d}" (int .ports.grpc)) (eq .probe "http") -}}
{{- $ready := ternary "httpGet: {path: /readyz, port: http}" (printf "grpc: {port: %d}" (int .ports.grpc)) (eq .probe "http") -}}
# A registry reads its whole topic before it serves: ten minutes are granted.
startupProbe:
  {{ $live }}
  periodSeconds: 2
  failureThreshold: 300
livenessProbe:
  {{ $live }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  {{ $ready }}
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}

{{/* Where pods run. Call with (list $ "ingest" $role). */}}
{{- define "angarium.placement" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $role := index . 2 -}}
{{- if or $role.topologySpread.zone $role.topologySpread.node -}}
topologySpreadConstraints:
{{- range $key, $otherwise := dict "topology.kubernetes.io/zone" $role.topologySpread.zone "kubernetes.io/hostname" $role.topologySpread.node }}
{{- if $otherwise }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: {{ $otherwise }}
    labelSelector:
      matchLabels:
        {{- include "angarium.selector" (list $root $name) | nindent 8 }}
    # The pods of one version among themselves: those that go count for nothing.
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "dnsConfig" }}
{{- with index $role $field }}
{{ $field }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $role.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
