{{/*
The deploy job as an init container of your application's pod, first in its list:

  initContainers:
    {{- include "lockkeeper.initContainer" . | nindent 4 }}

One replica, and a strategy that ends the old pod first: a Deployment with Recreate, or a StatefulSet. Takes the root.
*/}}
{{- define "lockkeeper.initContainer" -}}
{{- include "lockkeeper.container" (dict "root" . "args" (list "run") "database" true "migrations" true) -}}
{{- end -}}

{{/*
What is switched on of the containers that stay up beside the application, at the end of the same list. There may be
none. Takes the root.
*/}}
{{- define "lockkeeper.sidecars" -}}
{{- include "lockkeeper.check" . -}}
{{- $values := .Subcharts.lockkeeper.Values -}}
{{- with $values.status }}
{{- if .enabled }}
{{ include "lockkeeper.container" (dict "root" $ "name" "lockkeeper-status" "args" (list "serve") "database" true "migrations" true "sidecar" true "env" (dict "LOCKKEEPER_LISTEN" .listen) "port" (splitList ":" .listen | last) "resources" .resources) }}
{{- end }}
{{- end }}
{{- if $values.schedule.enabled }}
{{ include "lockkeeper.container" (dict "root" . "name" "lockkeeper-schedule" "args" (list "schedule") "database" true "migrations" true "sidecar" true) }}
{{- end }}
{{- end -}}
