{{- define "orders.labels" -}}
{{ include "orders.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "orders.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "orders.claimName" -}}
{{- .Values.persistence.claimName | default (printf "%s-data" .Release.Name) -}}
{{- end -}}

{{/* What the library cannot see, as it sees neither the replicas nor the strategy of the workload that it is in. */}}
{{- define "orders.check" -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- fail "orders: SQLite has one writer; set replicas to 1, or to 0 while nobody may write" -}}
{{- end -}}
{{- if ne .Values.strategy "Recreate" -}}
{{- fail "orders: with RollingUpdate the new pod waits for the volume or the database of the old one, which stays until the new one is ready; set strategy to Recreate" -}}
{{- end -}}
{{- end -}}
