{{/* A ConfigMap with the migrations of your chart (migrations.files). Without such files there is none. Takes the root. */}}
{{- define "lockkeeper.migrations" -}}
{{- include "lockkeeper.check" . -}}
{{- if .Subcharts.lockkeeper.Values.migrations.files -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "lockkeeper.migrationsName" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/managed-by: {{ .Release.Service }}
    app.kubernetes.io/component: migrations
data:
  {{- include "lockkeeper.migrationsData" . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "lockkeeper.migrationsName" -}}
{{- .Subcharts.lockkeeper.Values.migrations.configMap | default (printf "%s-migrations" .Release.Name) -}}
{{- end -}}

{{- define "lockkeeper.migrationsData" -}}
{{- $glob := .Subcharts.lockkeeper.Values.migrations.files -}}
{{- $bytes := 0 -}}
{{- $names := dict -}}
{{- range $path, $content := .Files.Glob $glob -}}
{{- $bytes = add $bytes (len $content) -}}
{{- if hasKey $names (base $path) -}}
{{- fail (printf "lockkeeper: %s and %s would have one name in a ConfigMap, which has no folders; put the migrations into an image" (get $names (base $path)) $path) -}}
{{- end -}}
{{- $_ := set $names (base $path) $path -}}
{{- end -}}
{{- if not $names -}}
{{- fail (printf "lockkeeper: no file of the chart is called %s; set lockkeeper.migrations.files to where the migrations are, such as migrations/*" $glob) -}}
{{- end -}}
{{- if gt (int $bytes) 1000000 -}}
{{- fail (printf "lockkeeper: the migrations have %d bytes, and a ConfigMap takes 1 MiB; put them into an image" (int $bytes)) -}}
{{- end -}}
{{- (.Files.Glob $glob).AsConfig -}}
{{- end -}}
