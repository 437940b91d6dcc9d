{{/* Entries of NetworkPolicies. */}}

{{- define "videocloud.toDns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{- define "videocloud.toTracker" -}}
- to:
    - podSelector:
        matchLabels: {{- include "videocloud.selector" (list . "tracker") | nindent 10 }}
  ports:
    - {port: http, protocol: TCP}
{{- end -}}

{{/* The store over the network: any public address, and the networks of a private endpoint. Nothing for a volume. */}}
{{- define "videocloud.toStore" -}}
{{- if eq .Values.store.type "S3" -}}
- to:
    {{- include "videocloud.publicPeers" . | nindent 4 }}
    {{- range .Values.store.s3.networks }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  ports:
    - port: {{ include "videocloud.storePort" . }}
      protocol: TCP
{{- end -}}
{{- end -}}

{{- define "videocloud.storePort" -}}
{{- $url := urlParse (default "https://aws" .Values.store.s3.endpoint) -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (eq $url.scheme "http" | ternary "80" "443") $port -}}
{{- end -}}

{{- define "videocloud.publicPeers" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except: {{- toYaml .Values.networkPolicy.blockedNetworks | nindent 6 }}
- ipBlock:
    cidr: ::/0
    except: {{- toYaml .Values.networkPolicy.blockedNetworksV6 | nindent 6 }}
{{- end -}}

{{- define "videocloud.metricsFrom" -}}
{{- if .Values.networkPolicy.metricsFrom -}}
{{- toYaml .Values.networkPolicy.metricsFrom -}}
{{- else -}}
- namespaceSelector: {}
{{- end -}}
{{- end -}}

{{- define "videocloud.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "videocloud.fullname" (index . 0) }}-{{ index . 1 }}
  namespace: {{ (index . 0).Release.Namespace }}
  labels: {{- include "videocloud.labels" . | nindent 4 }}
{{- end -}}
