{{/* What a schema cannot see: what one value means for another. */}}
{{- define "lockkeeper.checkJobs" -}}
{{- include "lockkeeper.check" . -}}
{{- if not .Subcharts.lockkeeper.Values.repository -}}
{{- fail "lockkeeper: set lockkeeper.repository to where backups are kept, such as s3://bucket/prefix" -}}
{{- end -}}
{{- $variables := keys .Subcharts.lockkeeper.Values.settings -}}
{{- range .Subcharts.lockkeeper.Values.extraEnv -}}
{{- $variables = append $variables .name -}}
{{- end -}}
{{- range $variable, $value := dict "LOCKKEEPER_TIMEOUT" "jobs.timeoutMinutes" "LOCKKEEPER_TIME_ZONE" "timeZone" -}}
{{- if has $variable $variables -}}
{{- fail (printf "lockkeeper: %s follows from %s; leave it out of lockkeeper.settings and lockkeeper.extraEnv" $variable $value) -}}
{{- end -}}
{{- end -}}
{{- range .Values.job.hook -}}
{{- if and (eq . "pre-install") $.Values.serviceAccount.create -}}
{{- fail "lockkeeper: job.hook has pre-install, before which Helm makes no service account; name one that is there, with serviceAccount.create=false" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.cidrs) (not .Values.networkPolicy.egress) -}}
{{- fail "lockkeeper: with this network policy nothing reaches the object store: set networkPolicy.cidrs or networkPolicy.egress" -}}
{{- end -}}
{{- end -}}

{{/* Of what needs the volume. Takes root and colocate (the mode). */}}
{{- define "lockkeeper.checkVolume" -}}
{{- $values := .root.Values -}}
{{- if not $values.claimName -}}
{{- fail "lockkeeper: backups need the volume: set claimName to the PersistentVolumeClaim of your application" -}}
{{- end -}}
{{- if and (ne .colocate "none") (not $values.colocate.matchLabels) -}}
{{- fail "lockkeeper: set colocate.matchLabels to the labels of your application's pod, or colocate.mode to none" -}}
{{- end -}}
{{- if and (ne .colocate "none") (hasKey $values.affinity "podAffinity") -}}
{{- fail "lockkeeper: colocate is a podAffinity; leave affinity.podAffinity out, or set colocate.mode to none" -}}
{{- end -}}
{{- end -}}
