{{/* Names and labels. */}}

{{- define "videocloud.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 40 characters leave room for the suffixes of Services, whose names end at 63. */}}
{{- define "videocloud.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What a Service, a budget or a policy selects a part by: (list $ "tracker"). */}}
{{- define "videocloud.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "videocloud.commonLabels" -}}
helm.sh/chart: {{ include "videocloud.chart" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: videocloud
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of an object of a part: (list $ "tracker"). */}}
{{- define "videocloud.labels" -}}
{{ include "videocloud.selector" . }}
{{ include "videocloud.commonLabels" (index . 0) }}
{{- end -}}

{{/* An image: (list $ "tracker"). */}}
{{- define "videocloud.image" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- $image := $root.Values.image -}}
{{- $name := printf "%s/%s" (trimSuffix "/" $image.repository) $part -}}
{{- with index $image.digests $part -}}
{{- printf "%s@%s" $name . -}}
{{- else -}}
{{- printf "%s:%s" $name (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "videocloud.keys" -}}
{{- default (printf "%s-keys" (include "videocloud.fullname" .)) .Values.keys.existingSecret -}}
{{- end -}}

{{- define "videocloud.trackerUrl" -}}
http://{{ include "videocloud.fullname" . }}-tracker.{{ .Release.Namespace }}.svc:7080
{{- end -}}

{{- define "videocloud.edgeUrl" -}}
{{- $service := .Values.uploader.service -}}
{{- $inside := printf "http://%s-uploader.%s.svc%s" (include "videocloud.fullname" .) .Release.Namespace (eq (int $service.port) 80 | ternary "" (printf ":%d" (int $service.port))) -}}
{{- $host := .Values.uploader.ingress.host -}}
{{- $ingress := printf "%s://%s" (empty .Values.uploader.ingress.tlsSecret | ternary "http" "https") $host -}}
{{- default (and .Values.uploader.ingress.enabled (ne $host "") | ternary $ingress $inside) .Values.uploader.publicUrl -}}
{{- end -}}

{{/* Names of the PriorityClasses; empty for none. */}}
{{- define "videocloud.systemPriority" -}}
{{- default (.Values.priorityClasses.create | ternary (printf "%s-system" (include "videocloud.fullname" .)) "") .Values.priorityClasses.system -}}
{{- end -}}
{{- define "videocloud.jobsPriority" -}}
{{- default (.Values.priorityClasses.create | ternary (printf "%s-jobs" (include "videocloud.fullname" .)) "") .Values.priorityClasses.jobs -}}
{{- end -}}

{{/* Adds labels and annotations to a definition or profile that is taken from a file as text: (list TEXT METADATA). Text, because
reading YAML and writing it again makes floats of whole numbers. */}}
{{- define "videocloud.withMetadata" -}}
{{- $text := index . 0 -}}
{{- regexReplaceAllLiteral "(?m)^spec:$" $text (printf "%s\nspec:" (index . 1 | nindent 2 | trimPrefix "\n")) -}}
{{- end -}}

{{- define "videocloud.trackerClaim" -}}
{{- default (printf "%s-tracker" (include "videocloud.fullname" .)) .Values.tracker.persistence.existingClaim -}}
{{- end -}}

{{/* How peers reach the tracker, as a JSON list. */}}
{{- define "videocloud.announceUrls" -}}
{{- $announce := .Values.tracker.announce -}}
{{- $host := printf "%s-announce.%s.svc:%d" (include "videocloud.fullname" .) .Release.Namespace (int $announce.service.port) -}}
{{- $own := $announce.enabled | ternary (list (printf "http://%s" $host) (printf "udp://%s" $host)) list -}}
{{- default $own $announce.urls | toJson -}}
{{- end -}}
