{{/* Written by `cargo run -p xtask -- chart`; do not edit. */}}
{{- define "tapir.arguments" -}}
{{- if has .Release.Namespace (list "tapir-agents" "tigera-dpi") }}
{{- fail (printf "namespace %s is the agents': operator and manager need one of their own" .Release.Namespace) }}
{{- end }}
- operator
- {{ printf "--image=%s" .Values.image | quote }}
{{- if ne .Release.Namespace "tapir-system" }}
- {{ printf "--namespace=%s" .Release.Namespace | quote }}
{{- end }}
{{- if ne .Values.compat "calico" }}
- {{ printf "--compat=%s" .Values.compat | quote }}
{{- end }}
{{- if ne .Values.pullPolicy "IfNotPresent" }}
- {{ printf "--pull-policy=%s" .Values.pullPolicy | quote }}
{{- end }}
{{- with .Values.pullSecrets }}
- {{ printf "--pull-secret=%s" (join "," .) | quote }}
{{- end }}
{{- if ne .Values.cluster "cluster" }}
- {{ printf "--cluster=%s" .Values.cluster | quote }}
{{- end }}
{{- if ne .Values.agent.interfacePrefix "cali" }}
- {{ printf "--interface-prefix=%s" .Values.agent.interfacePrefix | quote }}
{{- end }}
{{- if ne .Values.agent.health "127.0.0.1:9097" }}
- {{ printf "--agent-health=%s" .Values.agent.health | quote }}
{{- end }}
{{- $sandbox := toString .Values.agent.sandbox }}
{{- if or (eq $sandbox "off") (eq $sandbox "false") }}
- --sandbox=off
{{- else if eq $sandbox "require" }}
- --sandbox=require
{{- end }}
{{- if not .Values.manager.enabled }}
- --manager=no
{{- else }}
{{- if ne .Values.manager.storage "30Gi" }}
- {{ printf "--storage=%s" .Values.manager.storage | quote }}
{{- end }}
{{- with .Values.manager.storageClass }}
- {{ printf "--storage-class=%s" . | quote }}
{{- end }}
{{- with .Values.manager.publicURL }}
- {{ printf "--public-url=%s" . | quote }}
{{- end }}
{{- $honour := join "," .Values.manager.honour }}
{{- if ne $honour "exceptions,webhooks,suppressions" }}
- {{ printf "--honour=%s" $honour | quote }}
{{- end }}
{{- end }}
{{- if .Values.agent.hostPID }}
- --host-pid
{{- end }}
{{- if .Values.agent.insidePods }}
- --inside-pods
{{- end }}
{{- if .Values.agent.runAsRoot }}
- --run-as-root
{{- end }}
- --health=0.0.0.0:9098
{{- end }}
