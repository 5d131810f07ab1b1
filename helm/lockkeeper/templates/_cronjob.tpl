{{/*
A CronJob. Takes root, name (the ending), args, cron (enabled, schedule, suspend) and volume (whether it needs the database).
*/}}
{{- define "lockkeeper.cronjob" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "lockkeeper.fullname" $root }}-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "lockkeeper.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
  {{- with $values.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  schedule: {{ .cron.schedule | quote }}
  timeZone: {{ $values.timeZone | quote }}
  suspend: {{ .cron.suspend }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: {{ $values.jobs.startingDeadlineSeconds }}
  successfulJobsHistoryLimit: {{ $values.jobs.successfulJobsHistoryLimit }}
  failedJobsHistoryLimit: {{ $values.jobs.failedJobsHistoryLimit }}
  jobTemplate:
    metadata:
      labels:
        {{- include "lockkeeper.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
    spec:
      backoffLimit: {{ $values.jobs.backoffLimit }}
      activeDeadlineSeconds: {{ add (mul $values.jobs.timeoutMinutes 60) 300 }}
      ttlSecondsAfterFinished: {{ $values.jobs.ttlSecondsAfterFinished }}
      podFailurePolicy:
        rules:
          # A drained or preempted pod is no failed attempt.
          - action: Ignore
            onPodConditions:
              - type: DisruptionTarget
          # Trying again cannot help: the command line, damage, nothing there, a bug, permissions, settings.
          - action: FailJob
            onExitCodes:
              containerName: lockkeeper
              operator: In
              values: [64, 65, 66, 70, 77, 78]
      template:
        metadata:
          labels:
            {{- include "lockkeeper.labels" $root | nindent 12 }}
            app.kubernetes.io/component: {{ .name }}
          {{- with $values.annotations }}
          annotations:
            {{- toYaml . | nindent 12 }}
          {{- end }}
        spec:
          restartPolicy: Never
          {{- with $values.serviceAccountName }}
          serviceAccountName: {{ . }}
          {{- end }}
          automountServiceAccountToken: {{ ne $values.serviceAccountName "" }}
          # A Service called lockkeeper would otherwise inject LOCKKEEPER_PORT and the like.
          enableServiceLinks: false
          terminationGracePeriodSeconds: 10
          {{- with $values.image.pullSecrets }}
          imagePullSecrets:
            {{- range . }}
            - name: {{ . }}
            {{- end }}
          {{- end }}
          securityContext:
            runAsNonRoot: true
            {{- if not (kindIs "invalid" $values.user.uid) }}
            runAsUser: {{ $values.user.uid }}
            {{- end }}
            {{- if not (kindIs "invalid" $values.user.gid) }}
            runAsGroup: {{ $values.user.gid }}
            fsGroup: {{ kindIs "invalid" $values.user.fsGroup | ternary $values.user.gid $values.user.fsGroup }}
            fsGroupChangePolicy: OnRootMismatch
            {{- end }}
            seccompProfile:
              type: RuntimeDefault
          {{- if and .volume (ne $values.colocate.mode "none") }}
          affinity:
            podAffinity:
              {{- if eq $values.colocate.mode "required" }}
              requiredDuringSchedulingIgnoredDuringExecution:
                - topologyKey: kubernetes.io/hostname
                  labelSelector:
                    matchLabels:
                      {{- toYaml $values.colocate.matchLabels | nindent 22 }}
              {{- else }}
              preferredDuringSchedulingIgnoredDuringExecution:
                - weight: 100
                  podAffinityTerm:
                    topologyKey: kubernetes.io/hostname
                    labelSelector:
                      matchLabels:
                        {{- toYaml $values.colocate.matchLabels | nindent 24 }}
              {{- end }}
          {{- end }}
          {{- with $values.nodeSelector }}
          nodeSelector:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with $values.tolerations }}
          tolerations:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          containers:
            - name: lockkeeper
              image: {{ include "lockkeeper.image" $root }}
              imagePullPolicy: {{ $values.image.pullPolicy }}
              args: {{ toJson .args }}
              env:
                {{- include "lockkeeper.env" $root | nindent 16 }}
                - name: LOCKKEEPER_JOB
                  valueFrom:
                    fieldRef:
                      fieldPath: metadata.labels['batch.kubernetes.io/job-name']
                - name: LOCKKEEPER_TIME_ZONE
                  value: {{ $values.timeZone | quote }}
                - name: LOCKKEEPER_TIMEOUT
                  value: {{ printf "%vm" $values.jobs.timeoutMinutes | quote }}
                {{- if .volume }}
                - name: LOCKKEEPER_TMPDIR
                  value: /scratch
                {{- end }}
              {{- include "lockkeeper.envFrom" $root | nindent 14 }}
              resources:
                {{- toYaml $values.resources | nindent 16 }}
              securityContext:
                {{- include "lockkeeper.containerSecurity" $root | nindent 16 }}
              volumeMounts:
                {{- if .volume }}
                - name: data
                  mountPath: {{ $values.database.mountPath }}
                - name: scratch
                  mountPath: /scratch
                {{- end }}
                - name: tmp
                  mountPath: /tmp
          volumes:
            {{- if .volume }}
            - name: data
              persistentVolumeClaim:
                claimName: {{ $values.database.claimName }}
            - name: scratch
              emptyDir:
                sizeLimit: {{ $values.scratchSize }}
            {{- end }}
            - name: tmp
              emptyDir:
                sizeLimit: 64Mi
{{- end -}}
