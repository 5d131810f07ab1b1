{{/*
The spec of a Job. Takes root, name (its component), args, database (whether it needs the volume), migrations (whether it
needs them), colocate (a mode) and expires (whether Kubernetes removes it some time after it has finished).
*/}}
{{- define "lockkeeper.job" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $colocate := .colocate | default $values.colocate.mode -}}
{{- include "lockkeeper.checkJobs" $root -}}
{{- if and .migrations $root.Subcharts.lockkeeper.Values.migrations.files -}}
{{- fail "lockkeeper: migrations.files are in your application's chart; here leave it empty, and set lockkeeper.migrations.configMap to the ConfigMap that is made of them, RELEASE-migrations" -}}
{{- end -}}
{{- if .database -}}
{{- include "lockkeeper.checkVolume" (dict "root" $root "colocate" $colocate) -}}
{{- end -}}
backoffLimit: {{ int64 $values.jobs.backoffLimit }}
activeDeadlineSeconds: {{ add (mul $values.jobs.timeoutMinutes 60) 300 }}
{{- if .expires }}
ttlSecondsAfterFinished: {{ int64 $values.jobs.ttlSecondsAfterFinished }}
{{- end }}
podFailurePolicy:
  rules:
    # A drained or preempted pod is no failed attempt.
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          # The default, which validators that go by the schema of 1.34 want to see.
          status: "True"
    # Trying again cannot help: a failed migration, the command line, damage, nothing there, a bug, a newer schema,
    # permissions, settings.
    - action: FailJob
      onExitCodes:
        containerName: lockkeeper
        operator: In
        values: [1, 64, 65, 66, 70, 76, 77, 78]
template:
  metadata:
    labels:
      {{- include "lockkeeper.labels" (dict "root" $root "component" .name "labels" $values.podLabels) | nindent 6 }}
    {{- with merge dict $values.podAnnotations $values.annotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    restartPolicy: Never
    {{- with include "lockkeeper.serviceAccountName" $root }}
    serviceAccountName: {{ . }}
    {{- end }}
    automountServiceAccountToken: {{ $values.serviceAccount.automountToken }}
    # A Service called lockkeeper would otherwise inject LOCKKEEPER_PORT and the like.
    enableServiceLinks: false
    terminationGracePeriodSeconds: 10
    {{- with $values.priorityClassName }}
    priorityClassName: {{ . }}
    {{- end }}
    {{- with $values.imagePullSecrets }}
    imagePullSecrets:
      {{- range . }}
      - name: {{ . }}
      {{- end }}
    {{- end }}
    securityContext:
      {{- include "lockkeeper.podSecurityContext" $root | nindent 6 }}
    {{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" $values.colocate.matchLabels) }}
    {{- $podAffinity := dict }}
    {{- if and .database (eq $colocate "required") }}
    {{- $podAffinity = dict "podAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term)) }}
    {{- else if and .database (eq $colocate "preferred") }}
    {{- $podAffinity = dict "podAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "podAffinityTerm" $term))) }}
    {{- end }}
    {{- with merge dict $values.affinity $podAffinity }}
    affinity:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $values.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $values.tolerations }}
    tolerations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    containers:
      {{- $env := dict "LOCKKEEPER_TIME_ZONE" $values.timeZone "LOCKKEEPER_TIMEOUT" (printf "%dm" (int64 $values.jobs.timeoutMinutes)) }}
      {{- $fields := dict "LOCKKEEPER_JOB" "metadata.labels['batch.kubernetes.io/job-name']" }}
      {{- include "lockkeeper.container" (dict "root" $root "args" .args "database" .database "migrations" .migrations "env" $env "fields" $fields) | nindent 6 }}
    volumes:
      {{- if .database }}
      - name: {{ $root.Subcharts.lockkeeper.Values.database.volume }}
        persistentVolumeClaim:
          claimName: {{ $values.claimName }}
      {{- end }}
      {{- include "lockkeeper.podVolumes" (dict "root" $root "migrations" .migrations) | nindent 6 }}
{{- end -}}
