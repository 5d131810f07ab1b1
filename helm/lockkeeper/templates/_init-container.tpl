{{/*
The deploy job as an init container of your own pod, first in its list. From a chart that has this one as a dependency:

  initContainers:
    {{- include "lockkeeper.initContainer" .Subcharts.lockkeeper | nindent 4 }}

Your pod has its volumes (initContainer.volume, tmpVolume, migrationsVolume) and runs as your application's user; one
replica, and a strategy that ends the old pod first (a StatefulSet, or a Deployment with Recreate).
*/}}
{{- define "lockkeeper.initContainer" -}}
{{- include "lockkeeper.check" . -}}
- name: lockkeeper
  image: {{ include "lockkeeper.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [run]
  env:
    {{- include "lockkeeper.env" . | nindent 4 }}
  {{- include "lockkeeper.envFrom" . | nindent 2 }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- include "lockkeeper.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - name: {{ .Values.initContainer.volume }}
      mountPath: {{ .Values.database.mountPath }}
    - name: {{ .Values.initContainer.tmpVolume }}
      mountPath: /tmp
    {{- with .Values.initContainer.migrationsVolume }}
    - name: {{ . }}
      mountPath: /migrations
      readOnly: true
    {{- end }}
{{- end -}}
