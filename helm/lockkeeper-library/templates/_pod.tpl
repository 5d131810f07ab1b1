{{/*
The security context of the pod: the application's user for all containers, and what the restricted Pod Security
Standard asks for. Takes the root.
*/}}
{{- define "lockkeeper.podSecurityContext" -}}
{{- include "lockkeeper.check" . -}}
{{- with .Subcharts.lockkeeper.Values.user -}}
{{- if or (kindIs "invalid" .uid) (kindIs "invalid" .gid) -}}
{{- fail "lockkeeper: set lockkeeper.user.uid and gid to those of your application, or files that Lockkeeper makes lock it out" -}}
{{- end -}}
{{/* Numbers arrive as floats, and Go would write a large one as 1e+09. */ -}}
runAsNonRoot: true
runAsUser: {{ int64 .uid }}
runAsGroup: {{ int64 .gid }}
fsGroup: {{ kindIs "invalid" .fsGroup | ternary .gid .fsGroup | int64 }}
fsGroupChangePolicy: {{ .fsGroupChangePolicy }}
{{- with .seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .seLinuxChangePolicy }}
seLinuxChangePolicy: {{ . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}
{{- end -}}

{{/* What the restricted Pod Security Standard asks of a container, and a root file system that nobody writes. */}}
{{- define "lockkeeper.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The volumes of the pod that the containers need beside the one with the database. Takes the root. */}}
{{- define "lockkeeper.volumes" -}}
{{- include "lockkeeper.podVolumes" (dict "root" . "migrations" true) -}}
{{- end -}}

{{/* Takes root and migrations (whether a container mounts them: a pod does not start while a ConfigMap is missing). */}}
{{- define "lockkeeper.podVolumes" -}}
{{- include "lockkeeper.check" .root -}}
{{- with .root.Subcharts.lockkeeper.Values -}}
- name: lockkeeper-tmp
  emptyDir:
    sizeLimit: {{ .tmpSize }}
- name: lockkeeper-scratch
  emptyDir:
    sizeLimit: {{ .scratchSize }}
{{- if and $.migrations .migrations.image }}
- name: lockkeeper-migrations
  image:
    reference: {{ .migrations.image }}
    pullPolicy: {{ .migrations.imagePullPolicy }}
{{- else if and $.migrations (or .migrations.files .migrations.configMap) }}
- name: lockkeeper-migrations
  configMap:
    name: {{ include "lockkeeper.migrationsName" $.root }}
    {{- if .migrations.files }}
    {{- with (include "lockkeeper.migrationsFiles" $.root | fromJson).items }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- end }}
{{- end }}
{{- with .extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
{{- end -}}
