{{/* What a schema cannot see: what one value means for another, and how the library is used. Takes the root. */}}
{{- define "lockkeeper.check" -}}
{{- $lockkeeper := get (.Subcharts | default dict) "lockkeeper" -}}
{{- if not $lockkeeper -}}
{{- fail "lockkeeper: the templates take the root ($), of a chart whose Chart.yaml has the dependency lockkeeper-library with alias: lockkeeper" -}}
{{- end -}}
{{- $values := $lockkeeper.Values -}}
{{- if and (not $values.repository) (ne (get $values.settings "LOCKKEEPER_NO_BACKUP" | toString) "true") -}}
{{- fail "lockkeeper: set lockkeeper.repository to where backups are kept, such as s3://bucket/prefix" -}}
{{- end -}}
{{- if not $values.database.url -}}
{{- fail "lockkeeper: set lockkeeper.database.url to the DATABASE_URL of your application, such as /data/app.db" -}}
{{- end -}}
{{- $places := 0 -}}
{{- range list $values.migrations.files $values.migrations.configMap $values.migrations.image -}}
{{- if . -}}{{- $places = add1 $places -}}{{- end -}}
{{- end -}}
{{- if gt (int $places) 1 -}}
{{- fail "lockkeeper: set one of lockkeeper.migrations.files, configMap and image: migrations are in one place" -}}
{{- end -}}
{{- range $name, $_ := $values.settings -}}
{{- include "lockkeeper.checkName" (dict "name" $name "secret" true "where" (printf "lockkeeper.settings.%s" $name)) -}}
{{- end -}}
{{- range $values.extraEnv -}}
{{- $where := printf "the entry %s of lockkeeper.extraEnv" .name -}}
{{- include "lockkeeper.checkName" (dict "name" .name "secret" (hasKey . "value") "where" $where) -}}
{{- if hasKey $values.settings .name -}}
{{- fail (printf "lockkeeper: %s is in lockkeeper.settings and in lockkeeper.extraEnv; leave one out" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes name (of a variable), secret (whether a value that is written there can be read by everybody) and where. */}}
{{- define "lockkeeper.checkName" -}}
{{- if and .secret (regexMatch "(?i)(SECRET|PASSWORD|TOKEN|ACCESS_?KEY)" .name) (not (hasSuffix "_FILE" .name)) -}}
{{- fail (printf "lockkeeper: %s is no place for a secret; put it into a Secret and name that in lockkeeper.existingSecret" .where) -}}
{{- end -}}
{{- $derived := list "DATABASE_URL" "LOCKKEEPER_REPOSITORY" "LOCKKEEPER_TMPDIR" "LOCKKEEPER_MIGRATIONS" "LOCKKEEPER_LISTEN" "LOCKKEEPER_IMAGE" "LOCKKEEPER_JOB" "LOCKKEEPER_POD" "LOCKKEEPER_NAMESPACE" "LOCKKEEPER_NODE" "MIGRATIONS_CHECKSUM" -}}
{{- if has .name $derived -}}
{{- fail (printf "lockkeeper: %s follows from another value of the chart; leave it out of settings and extraEnv" .name) -}}
{{- end -}}
{{- end -}}
