{{/* The store: its URL, and what a pod needs to reach it. */}}

{{- define "videocloud.storePath" -}}
/store
{{- end -}}

{{- define "videocloud.storeUrl" -}}
{{- $store := .Values.store -}}
{{- if eq $store.type "S3" -}}
{{- $bucket := required "store.type is S3: store.s3.bucket is needed" $store.s3.bucket -}}
s3://{{ $bucket }}{{ with $store.s3.prefix }}/{{ trimAll "/" . }}{{ end }}?region={{ $store.s3.region }}{{ with $store.s3.endpoint }}&endpoint={{ . }}{{ end }}
{{- else -}}
file://{{ include "videocloud.storePath" . }}
{{- end -}}
{{- end -}}

{{- define "videocloud.storeClaim" -}}
{{- default (printf "%s-store" (include "videocloud.fullname" .)) .Values.store.persistentVolumeClaim.existingClaim -}}
{{- end -}}

{{/* An entry of `volumes`; nothing for S3. */}}
{{- define "videocloud.storeVolume" -}}
{{- if eq .Values.store.type "PersistentVolumeClaim" -}}
- name: store
  persistentVolumeClaim:
    claimName: {{ include "videocloud.storeClaim" . }}
{{- else if eq .Values.store.type "HostPath" -}}
- name: store
  hostPath:
    path: {{ .Values.store.hostPath.path }}
    type: Directory
{{- end -}}
{{- end -}}

{{/* An entry of `volumeMounts`; nothing for S3. */}}
{{- define "videocloud.storeMount" -}}
{{- if ne .Values.store.type "S3" -}}
- name: store
  mountPath: {{ include "videocloud.storePath" . }}
{{- end -}}
{{- end -}}

{{/* Entries of `env`: the credentials of S3. */}}
{{- define "videocloud.storeEnv" -}}
{{- if and (eq .Values.store.type "S3") .Values.store.s3.existingSecret -}}
{{- range $name := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.store.s3.existingSecret }}
      key: {{ $name }}
{{- end }}
{{- end -}}
{{- end -}}
