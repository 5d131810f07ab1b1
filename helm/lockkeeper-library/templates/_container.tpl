{{/*
A container of Lockkeeper's image, as an item of a list. Takes
  root
  args
  name        default lockkeeper
  database    whether it mounts the volume with the database
  migrations  whether it mounts the migrations
  env         further variables, by name
  fields      variables from the downward API: field paths by name
  sidecar     whether it stays up beside the application
  port, resources
*/}}
{{- define "lockkeeper.container" -}}
{{- include "lockkeeper.check" .root -}}
{{- $values := .root.Subcharts.lockkeeper.Values -}}
- name: {{ .name | default "lockkeeper" }}
  image: {{ include "lockkeeper.image" .root }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  {{- if .sidecar }}
  restartPolicy: Always
  {{- end }}
  args: {{ toJson .args }}
  env:
    {{- include "lockkeeper.env" . | trim | nindent 4 }}
  {{- if or $values.existingSecret $values.envFrom }}
  envFrom:
    {{- with $values.envFrom }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $values.existingSecret }}
    - secretRef:
        name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .port }}
  ports:
    - name: lockkeeper
      containerPort: {{ . }}
  livenessProbe:
    httpGet:
      path: /healthz
      port: lockkeeper
  {{- end }}
  resources:
    {{- toYaml (.resources | default $values.resources) | nindent 4 }}
  securityContext:
    {{- include "lockkeeper.securityContext" .root | nindent 4 }}
  volumeMounts:
    {{- if .database }}
    - name: {{ $values.database.volume }}
      mountPath: {{ $values.database.mountPath }}
      {{- with $values.database.subPath }}
      subPath: {{ . }}
      {{- end }}
    {{- end }}
    {{- with $values.migrations }}
    {{- if and $.migrations (or .files .configMap .image) }}
    - name: lockkeeper-migrations
      mountPath: /migrations
      readOnly: true
    {{- end }}
    {{- end }}
    - name: lockkeeper-scratch
      mountPath: /scratch
    - name: lockkeeper-tmp
      mountPath: /tmp
    {{- with $values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Takes the root. */}}
{{- define "lockkeeper.image" -}}
{{- $lockkeeper := .Subcharts.lockkeeper -}}
{{- with $lockkeeper.Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $lockkeeper.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Takes what lockkeeper.container takes. Each name once: a list with a name twice is refused where Helm applies on the
server's side.
*/}}
{{- define "lockkeeper.env" -}}
{{- $values := .root.Subcharts.lockkeeper.Values -}}
{{- $derived := dict "DATABASE_URL" $values.database.url "LOCKKEEPER_IMAGE" (include "lockkeeper.image" .root) "LOCKKEEPER_TMPDIR" "/scratch" -}}
{{- with $values.repository -}}
{{- $_ := set $derived "LOCKKEEPER_REPOSITORY" . -}}
{{- end -}}
{{- /* A change of the files is a change of the pod, so that it is deployed. */ -}}
{{- if and .migrations $values.migrations.files -}}
{{- $_ := set $derived "MIGRATIONS_CHECKSUM" (include "lockkeeper.migrationsFiles" .root | sha256sum) -}}
{{- end -}}
{{- range $name, $value := merge dict (.env | default dict) $derived $values.settings }}
- name: {{ $name }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- range $name, $path := merge dict (.fields | default dict) (dict "LOCKKEEPER_POD" "metadata.name" "LOCKKEEPER_NAMESPACE" "metadata.namespace" "LOCKKEEPER_NODE" "spec.nodeName") }}
- name: {{ $name }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $path }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
