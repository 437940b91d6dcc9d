{{/* What pods have in common. */}}

{{- define "videocloud.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ int64 .Values.securityContext.user }}
runAsGroup: {{ int64 .Values.securityContext.user }}
fsGroup: {{ int64 .Values.securityContext.user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "videocloud.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Probes of a part; the argument is the name of the port with /healthz and /readyz. */}}
{{- define "videocloud.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 5
  timeoutSeconds: 3
{{- end -}}

{{/* Where pods of a part are put: (list $ "tracker"). Replicas go to different nodes if they can. */}}
{{- define "videocloud.placement" -}}
{{- $root := index . 0 -}}
{{- $values := index $root.Values (index . 1) -}}
{{- with include "videocloud.systemPriority" $root }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "videocloud.selector" . | nindent 8 }}
{{- end -}}

{{/* Labels and annotations of the pods of a part: (list $ "tracker"). */}}
{{- define "videocloud.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $values := index $root.Values (index . 1) -}}
labels:
  {{- include "videocloud.labels" . | nindent 2 }}
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.podAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Resources in the form the operator's flags take: cpu=100m,memory=1Gi. */}}
{{- define "videocloud.quantities" -}}
{{- $list := list -}}
{{- range $name, $amount := . -}}
{{- $list = append $list (printf "%s=%v" $name $amount) -}}
{{- end -}}
{{- join "," $list -}}
{{- end -}}
