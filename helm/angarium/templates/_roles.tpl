{{/*
What the chart knows about each service; a new one is an entry here, a block of values and a line in the schema.
  sections  the sections of settings that it reads
  secrets   what is mounted, beside the operator's key
  ports     by name
  probe     http: /livez and /readyz; grpc: the health service at the port `grpc`
  reaches   whom it calls: other services, and kafka, redis, mail, receivers
  open      whether producers call it
  lag       topic and consumer group for KEDA, behind the prefix
*/}}
{{- define "angarium.roles" -}}
registry:
  sections: [log, kafka, egress, registry]
  secrets: [sealKeys]
  ports: {grpc: 8082, http: 8085}
  probe: grpc
  reaches: [kafka, registry, fanout, delivery]
ingest:
  sections: [log, kafka, redis, registry, ingest]
  secrets: [redisUrl]
  ports: {http: 8080, grpc: 8081}
  probe: http
  reaches: [kafka, redis, registry]
  open: true
fanout:
  sections: [log, kafka, registry, fanout]
  secrets: []
  ports: {grpc: 8084}
  probe: grpc
  reaches: [kafka, registry]
  lag:
    - {topic: events, group: fanout, partitions: events}
delivery:
  sections: [log, kafka, redis, registry, egress, delivery]
  secrets: [redisUrl]
  ports: {grpc: 8083}
  probe: grpc
  reaches: [kafka, redis, registry, receivers]
  lag:
    - {topic: deliveries.realtime, group: delivery.realtime, partitions: deliveries}
    - {topic: deliveries.batch, group: delivery.batch, partitions: deliveries}
{{- if .Values.notifier.enabled }}
notifier:
  # When a first reminder is, delivery's settings say (D4).
  sections: [log, kafka, registry, delivery, notifier]
  secrets: [smtpUrl]
  ports: {http: 8087}
  probe: http
  reaches: [kafka, registry, mail]
{{- end }}
{{- end }}

{{/* The values of one service: its own block over `defaults`. Call with (list $ "ingest"). */}}
{{- define "angarium.role" -}}
{{- $root := index . 0 -}}
{{- $own := index $root.Values (index . 1) -}}
{{- mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy $own) | toYaml -}}
{{- end }}
