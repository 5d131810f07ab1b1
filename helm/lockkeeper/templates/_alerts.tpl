{{/* On the metrics of kube-state-metrics: a list of rules. */}}
{{- define "lockkeeper.alerts" -}}
{{- $cronjobs := include "lockkeeper.cronjobs" . | fromJsonArray -}}
{{- $fullname := include "lockkeeper.fullname" . -}}
{{- $here := printf "namespace=%q" .Release.Namespace -}}
{{- $names := list -}}
{{- range $cronjobs }}
{{- $names = append $names .name }}
{{- $one := printf "%s, cronjob=\"%s-%s\"" $here $fullname .name }}
{{- $hours := get $.Values.alerts.maxAgeHours .kind | int64 }}
# One that has never gone well counts from when it was made.
- alert: LockkeeperTooOld
  expr: >-
    time() - max by (namespace, cronjob) (
    kube_cronjob_status_last_successful_time{ {{- $one -}} }
    or kube_cronjob_created{ {{- $one -}} })
    > {{ $hours }} * 3600
  annotations:
    summary: "{{ .name }} has not gone well for {{ $hours }} hours: see the termination messages of its pods"
{{- end }}
{{- if $names }}
{{- $all := printf "%s-(%s)" $fullname (join "|" $names) }}
# Until a later one goes well.
- alert: LockkeeperJobFailed
  expr: >-
    max by (namespace, cronjob) (label_replace(
    kube_job_created{ {{- $here -}} }
    * on (namespace, job_name) group_left (owner_name)
    max by (namespace, job_name, owner_name) (kube_job_owner{ {{- $here -}} , owner_kind="CronJob", owner_name=~"{{ $all }}"})
    and on (namespace, job_name) (kube_job_failed{ {{- $here -}} , condition="true"} == 1),
    "cronjob", "$1", "owner_name", "(.*)"))
    > on (namespace, cronjob) max by (namespace, cronjob) (
    kube_cronjob_status_last_successful_time{ {{- $here -}} }
    or kube_cronjob_created{ {{- $here -}} })
  annotations:
    summary: "The last job of {{ "{{ $labels.cronjob }}" }} failed: the termination message of its pod says why"
# Without these metrics no alert about a CronJob can fire.
- alert: LockkeeperNotWatched
  expr: absent(kube_cronjob_created{ {{- $here -}} , cronjob=~"{{ $all }}"})
  for: 30m
  annotations:
    summary: "kube-state-metrics says nothing of the CronJobs of {{ $fullname }}, or they are gone"
{{- end }}
{{- with .Values.job }}
{{- if .enabled }}
- alert: LockkeeperOneOffJobFailed
  expr: kube_job_failed{ {{- $here -}} , job_name=~"{{ $fullname }}-{{ .name }}-[0-9a-f]{8}", condition="true"} == 1
  annotations:
    summary: "The job {{ "{{ $labels.job_name }}" }} failed: the termination message of its pod says why"
{{- end }}
{{- end }}
# Between two attempts it waits, during one it does not: hence the ten minutes.
- alert: LockkeeperInitContainerFails
  expr: >-
    max by (namespace, pod) (max_over_time(
    kube_pod_init_container_status_waiting_reason{ {{- $here -}} , container="lockkeeper", reason="CrashLoopBackOff"}[10m])) > 0
  for: 5m
  annotations:
    summary: "{{ "{{ $labels.pod }}" }} does not start, as its database is not migrated: kubectl describe pod says why"
{{- end -}}

{{/* On the metrics of lockkeeper serve, as docs/monitoring.md has them: a list of rules. Takes a label matcher. */}}
{{- define "lockkeeper.statusAlerts" -}}
- alert: DatabaseBackupTooOld
  expr: time() - lockkeeper_last_backup_timestamp_seconds{ {{- . -}} , tier="daily"} > 30 * 3600
  annotations: { summary: "The newest daily backup is older than 30 hours" }
- alert: DatabaseBackupMissing
  expr: lockkeeper_backups{ {{- . -}} , tier="daily"} unless on (instance) lockkeeper_last_backup_timestamp_seconds{ {{- . -}} , tier="daily"}
  for: 30h
  annotations: { summary: "There is no good daily backup" }
- alert: DatabaseUnreadable
  expr: lockkeeper_database_readable{ {{- . -}} } == 0
  for: 15m
  annotations: { summary: "The database cannot be looked at: see /status" }
- alert: DatabaseStatusGone
  expr: absent(lockkeeper_build_info{ {{- . -}} })
  for: 30m
  annotations: { summary: "Nobody answers for the database" }
- alert: DatabaseRepositoryUnreadable
  expr: lockkeeper_repository_readable{ {{- . -}} } == 0
  for: 30m
  annotations: { summary: "The repository of the backups cannot be read" }
- alert: DatabaseBackupBad
  expr: lockkeeper_backups_bad{ {{- . -}} } > 0
  annotations: { summary: "A verification found a backup bad: see lockkeeper backups" }
- alert: DatabaseBackupUnverified
  expr: time() - max by (instance) (lockkeeper_last_good_check_timestamp_seconds{ {{- . -}} }) > 10 * 86400
  annotations: { summary: "No backup was fetched and found good for 10 days" }
- alert: DatabaseBackupNeverVerified
  expr: lockkeeper_repository_readable{ {{- . -}} } unless on (instance) lockkeeper_last_good_check_timestamp_seconds{ {{- . -}} }
  for: 10d
  annotations: { summary: "No backup that is there was ever fetched and found good" }
- alert: DatabaseNotReady
  expr: lockkeeper_database_ready{ {{- . -}} } == 0
  for: 15m
  annotations: { summary: "The database is not at the level of its image, or has drifted: see /readyz" }
{{- end -}}
