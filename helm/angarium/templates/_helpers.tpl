{{- define "angarium.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* By which pods are found: must never change. Call with (list $ "ingest"); without a component, all pods of the release. */}}
{{- define "angarium.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "angarium.labels" -}}
{{- $root := index . 0 -}}
{{ include "angarium.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Call with (list $ $role.image). */}}
{{- define "angarium.image" -}}
{{- $root := index . 0 -}}
{{- $image := mergeOverwrite (deepCopy $root.Values.image) (index . 1) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* One setting as text. Helm reads whole numbers of a file as floats, which print as 1e+06. */}}
{{- define "angarium.setting" -}}
{{- if kindIs "float64" . -}}{{ int64 . | toString | quote }}{{- else -}}{{ toString . | quote }}{{- end -}}
{{- end }}

{{/* Settings as variables. Call with (list $ (list "kafka" …)). */}}
{{- define "angarium.settings" -}}
{{- $root := index . 0 -}}
{{- range $section := index . 1 }}
{{- range $name, $value := index $root.Values.settings $section }}
- name: {{ printf "ANGARIUM_%s_%s" $section $name | upper }}
  value: {{ include "angarium.setting" $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* The port of metrics; empty if they are not served. */}}
{{- define "angarium.metricsPort" -}}
{{- with .Values.telemetry.metrics.listen -}}{{ splitList ":" . | last }}{{- end -}}
{{- end }}

{{/* What is measured and traced, and where it goes, as variables. */}}
{{- define "angarium.telemetry" -}}
{{- $telemetry := .Values.telemetry -}}
{{- with $telemetry.metrics.listen }}
- name: ANGARIUM_METRICS_LISTEN
  value: {{ . | quote }}
{{- end }}
{{- with $telemetry.otlp }}
{{- if .endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .protocol }}
{{- end }}
{{- end }}
{{- range $name, $value := $telemetry.env }}
- name: {{ $name }}
  value: {{ include "angarium.setting" $value }}
{{- end }}
{{- end }}

{{/* Files of secrets as variables. Call with (list $ (list "operatorKey" …)). */}}
{{- define "angarium.secretSettings" -}}
{{- $root := index . 0 -}}
{{- $variables := dict "operatorKey" "ANGARIUM_OPERATOR_KEY_FILE" "sealKeys" "ANGARIUM_SEAL_KEYS_FILE" "redisUrl" "ANGARIUM_REDIS_URL_FILE" "smtpUrl" "ANGARIUM_NOTIFIER_SMTP_URL_FILE" -}}
{{- range index . 1 }}
{{- if (index $root.Values.secrets .).secretName }}
- name: {{ index $variables . }}
  value: /etc/angarium/{{ . }}/{{ (index $root.Values.secrets .).key }}
{{- end }}
{{- end }}
{{- end }}

{{- define "angarium.secretMounts" -}}
{{- $root := index . 0 -}}
{{- range index . 1 }}
{{- if (index $root.Values.secrets .).secretName }}
- name: {{ kebabcase . }}
  mountPath: /etc/angarium/{{ . }}
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{- define "angarium.secretVolumes" -}}
{{- $root := index . 0 -}}
{{- range $secret := index . 1 }}
{{- with index $root.Values.secrets $secret }}
{{- if .secretName }}
- name: {{ kebabcase $secret }}
  secret:
    secretName: {{ .secretName }}
    defaultMode: 0440
    items:
      - key: {{ .key }}
        path: {{ .key }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What every pod may do: next to nothing. */}}
{{- define "angarium.podSecurity" -}}
automountServiceAccountToken: false
# The variables that Kubernetes would set for services of ours, such as ANGARIUM_INGEST_PORT, would be read as settings.
enableServiceLinks: false
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "angarium.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}
