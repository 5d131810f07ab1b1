{{/* A name of at most 36 characters: CronJobs have 52, and the longest ending is "-backup-monthly". */}}
{{- define "lockkeeper.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 36 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What a pod is found by. */}}
{{- define "lockkeeper.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* name, namespace, labels and annotations. Takes root, name (the ending, or nothing), labels and annotations (further ones). */}}
{{- define "lockkeeper.metadata" -}}
{{- with .root -}}
name: {{ include "lockkeeper.fullname" . }}{{ with $.name }}-{{ . }}{{ end }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "lockkeeper.labels" $ | nindent 2 }}
{{- with merge dict ($.annotations | default dict) .Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "lockkeeper.labels" -}}
{{- $root := .root -}}
{{- $own := dict
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/managed-by" $root.Release.Service
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version) -}}
{{- with .component -}}
{{- $_ := set $own "app.kubernetes.io/component" . -}}
{{- end -}}
{{- merge (include "lockkeeper.selector" $root | fromYaml) $own (.labels | default dict) $root.Values.labels | toYaml -}}
{{- end -}}

{{- define "lockkeeper.serviceAccountName" -}}
{{- with .Values.serviceAccount -}}
{{- .name | default (.create | ternary (include "lockkeeper.fullname" $) "") -}}
{{- end -}}
{{- end -}}

{{/* Every CronJob that is switched on, as JSON: its name's ending, what it runs, and what it needs. */}}
{{- define "lockkeeper.cronjobs" -}}
{{- $jobs := list -}}
{{- range $tier, $cron := .Values.backups -}}
{{- if $cron.enabled -}}
{{- $jobs = append $jobs (dict "name" (printf "backup-%s" $tier) "kind" $tier "cron" $cron "args" (list "backup" "--tier" $tier) "database" true) -}}
{{- end -}}
{{- end -}}
{{- with .Values.prune -}}
{{- if .enabled -}}
{{- $jobs = append $jobs (dict "name" "prune" "kind" "prune" "cron" . "args" (list "prune")) -}}
{{- end -}}
{{- end -}}
{{- with .Values.verify -}}
{{- if .enabled -}}
{{- $jobs = append $jobs (dict "name" "verify" "kind" "verify" "cron" . "args" (list "verify" (.all | ternary "--all" "--latest"))) -}}
{{- end -}}
{{- end -}}
{{- with .Values.drill -}}
{{- if .enabled -}}
{{- $jobs = append $jobs (dict "name" "drill" "kind" "drill" "cron" . "args" (list "drill") "migrations" true) -}}
{{- end -}}
{{- end -}}
{{- toJson $jobs -}}
{{- end -}}
