{{/* A name of at most 36 characters: CronJobs have 52, and the longest ending is "-backup-monthly". */}}
{{- define "lockkeeper.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 36 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "lockkeeper.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "lockkeeper.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What values alone cannot be seen to be wrong by their schema: what one of them means for another. */}}
{{- define "lockkeeper.check" -}}
{{- if not .Values.repository -}}
{{- fail "lockkeeper: set repository to where backups are kept, such as s3://bucket/prefix" -}}
{{- end -}}
{{- if not .Values.database.url -}}
{{- fail "lockkeeper: set database.url to the DATABASE_URL of your application, such as /data/app.db" -}}
{{- end -}}
{{- range $name, $_ := .Values.settings -}}
{{- if regexMatch "(?i)(SECRET|PASSWORD|TOKEN|ACCESS_?KEY)" $name -}}
{{- fail (printf "lockkeeper: settings.%s is no place for a secret; put it into a Secret and name that in existingSecret" $name) -}}
{{- end -}}
{{- if has $name (list "DATABASE_URL" "LOCKKEEPER_REPOSITORY" "LOCKKEEPER_TIME_ZONE" "LOCKKEEPER_TIMEOUT" "LOCKKEEPER_TMPDIR") -}}
{{- fail (printf "lockkeeper: %s follows from another value of the chart; leave it out of settings" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "lockkeeper.checkBackups" -}}
{{- include "lockkeeper.check" . -}}
{{- if not .Values.database.claimName -}}
{{- fail "lockkeeper: backups need the volume: set database.claimName to the PersistentVolumeClaim of your application" -}}
{{- end -}}
{{- if or (kindIs "invalid" .Values.user.uid) (kindIs "invalid" .Values.user.gid) -}}
{{- fail "lockkeeper: set user.uid and user.gid to those of your application, or files that a backup makes lock it out" -}}
{{- end -}}
{{- if and (ne .Values.colocate.mode "none") (not .Values.colocate.matchLabels) -}}
{{- fail "lockkeeper: set colocate.matchLabels to the labels of your application's pod, or colocate.mode to none" -}}
{{- end -}}
{{- end -}}

{{- define "lockkeeper.env" -}}
- name: DATABASE_URL
  value: {{ .Values.database.url | quote }}
- name: LOCKKEEPER_REPOSITORY
  value: {{ .Values.repository | quote }}
- name: LOCKKEEPER_IMAGE
  value: {{ include "lockkeeper.image" . | quote }}
- name: LOCKKEEPER_POD
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: LOCKKEEPER_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: LOCKKEEPER_NODE
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end -}}

{{- define "lockkeeper.envFrom" -}}
{{- with .Values.existingSecret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end -}}

{{- define "lockkeeper.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
