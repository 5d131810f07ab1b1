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
  {{- (include "lockkeeper.migrationsFiles" . | fromJson).data | toYaml | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "lockkeeper.migrationsName" -}}
{{- .Subcharts.lockkeeper.Values.migrations.configMap | default (printf "%s-migrations" .Release.Name) -}}
{{- end -}}

{{/*
The files as JSON: data (the contents, by key) and items (where they are in the folder). A ConfigMap has no folders, so a
file in one has a key that no migration is called by, and the volume puts it back to where it was.
*/}}
{{- define "lockkeeper.migrationsFiles" -}}
{{- $glob := .Subcharts.lockkeeper.Values.migrations.files -}}
{{- $folder := regexReplaceAll "[^/]*([*?\\[{].*)?$" $glob "" -}}
{{- $bytes := 0 -}}
{{- $data := dict -}}
{{- $items := list -}}
{{- $nested := false -}}
{{- range $path, $content := .Files.Glob $glob -}}
{{- $bytes = add $bytes (len $content) -}}
{{- $inFolder := trimPrefix $folder $path -}}
{{- $key := $inFolder -}}
{{- if contains "/" $inFolder -}}
{{- $nested = true -}}
{{- $key = printf "%s.nested" (replace "/" "__" $inFolder) -}}
{{- end -}}
{{- if not (regexMatch "^[-._a-zA-Z0-9]+$" $key) -}}
{{- fail (printf "lockkeeper: a ConfigMap cannot have a file with the name %s; put the migrations into an image" $inFolder) -}}
{{- end -}}
{{- $_ := set $data $key (toString $content) -}}
{{- $items = append $items (dict "key" $key "path" $inFolder) -}}
{{- end -}}
{{- if not $data -}}
{{- fail (printf "lockkeeper: no file of the chart is called %s; set lockkeeper.migrations.files to where the migrations are, such as migrations/**" $glob) -}}
{{- end -}}
{{- if gt (int $bytes) 1000000 -}}
{{- fail (printf "lockkeeper: the migrations have %d bytes, and a ConfigMap takes 1 MiB; put them into an image" (int $bytes)) -}}
{{- end -}}
{{- dict "data" $data "items" ($nested | ternary $items list) | toJson -}}
{{- end -}}
