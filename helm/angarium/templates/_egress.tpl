{{/* One rule of egress to servers of yours. Call with {to: …, ports: …}. */}}
{{- define "angarium.egressTo" -}}
- ports:
    {{- range .ports }}
    - port: {{ int . }}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* A network as an ipBlock wants it: `192.0.2.7` is `192.0.2.7/32`. */}}
{{- define "angarium.cidr" -}}
{{- if contains "/" . -}}{{ . }}{{- else -}}{{ . }}/{{ ternary 128 32 (contains ":" .) }}{{- end -}}
{{- end }}

{{/*
Where delivery may call, as `settings.egress` says: the second wall behind its own (crates/policy/src/egress/range.rs, whose ranges
these are). Names of hosts are no matter of a NetworkPolicy: `only_hosts` and `deny_hosts` are delivery's alone.
*/}}
{{- define "angarium.egressToReceivers" -}}
{{- $egress := .Values.settings.egress | default dict -}}
{{- $special4 := list "0.0.0.0/8" "100.64.0.0/10" "127.0.0.0/8" "168.63.129.16/32" "169.254.0.0/16" "192.0.0.0/24" "192.0.2.0/24" "192.88.99.0/24" "198.18.0.0/15" "198.51.100.0/24" "203.0.113.0/24" "224.0.0.0/4" "240.0.0.0/4" -}}
{{- $special6 := list "2001::/23" "2001:db8::/32" "2002::/16" "3fff::/20" -}}
{{- if not $egress.allow_private -}}
{{- $special4 = concat $special4 (list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16") -}}
{{- end -}}
{{- range splitList "," ($egress.deny | default "") -}}
{{- $network := trim . -}}
{{- if regexMatch "^[23][0-9a-fA-F]{0,3}:" $network -}}
{{- $special6 = append $special6 (include "angarium.cidr" $network) -}}
{{- else if contains "." $network -}}
{{- $special4 = append $special4 (include "angarium.cidr" $network) -}}
{{- end -}}
{{- end -}}
- ports:
    {{- range splitList "," ($egress.ports | default "80, 443" | toString) }}
    {{- $ends := splitList "-" (trim .) }}
    - port: {{ first $ends | trim | int }}
      {{- if gt (len $ends) 1 }}
      endPort: {{ last $ends | trim | int }}
      {{- end }}
    {{- end }}
  to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
          {{- range $special4 | sortAlpha | uniq }}
          - {{ . }}
          {{- end }}
    - ipBlock:
        cidr: 2000::/3
        except:
          {{- range $special6 | sortAlpha | uniq }}
          - {{ . }}
          {{- end }}
    {{- if $egress.allow_private }}
    - ipBlock:
        cidr: fc00::/7
        # What tells cloud machines their credentials.
        except: ["fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128"]
    {{- end }}
    {{- range splitList "," ($egress.allow | default "") }}
    {{- with trim . }}
    - ipBlock:
        cidr: {{ include "angarium.cidr" . }}
    {{- end }}
    {{- end }}
{{- end }}
