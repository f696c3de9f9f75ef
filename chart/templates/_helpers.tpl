{{/*
The chart's name, as the label app.kubernetes.io/name says it.
*/}}
{{- define "web-app.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name of all resources. At most 52 characters, because the StatefulSet controller puts this name and
a hash into the label controller-revision-hash, and a label has 63.
*/}}
{{- define "web-app.fullname" -}}
{{- $name := include "web-app.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/*
The Service without an address that gives each pod its DNS name.
*/}}
{{- define "web-app.headlessName" -}}
{{- include "web-app.fullname" . }}-headless
{{- end -}}

{{- define "web-app.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "web-app.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/*
What selects the pods. Selectors and claim templates are immutable, so nothing that an upgrade may change
belongs here.
*/}}
{{- define "web-app.selectorLabels" -}}
app.kubernetes.io/name: {{ include "web-app.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/*
The labels of the helm test's own resources, which the selectors above must not match: a test pod behind
the Service would be sent visitors.
*/}}
{{- define "web-app.testLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "web-app.name" . | trunc 58 | trimSuffix "-") | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "web-app.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "web-app.labels" -}}
{{ include "web-app.selectorLabels" . }}
{{ include "web-app.commonLabels" . }}
{{- end -}}

{{- define "web-app.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The kubelet's own sleep before SIGTERM: the container needs no shell for it. Switched on in every cluster
since 1.30; an older API server would drop it or refuse it.
*/}}
{{- define "web-app.hasPreStopSleep" -}}
{{- if and (gt (int .Values.preStopSleepSeconds) 0) (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) -}}
true
{{- end -}}
{{- end -}}

{{/*
drain in milliseconds. The schema has seen to its form; `atoi` counts in tens also what begins with 0.
*/}}
{{- define "web-app.drainMs" -}}
{{- $digits := regexFind "^[0-9]+" .Values.drain | atoi -}}
{{- if hasSuffix "ms" .Values.drain -}}
{{- $digits -}}
{{- else -}}
{{- mul $digits (ternary 1000 60000 (hasSuffix "s" .Values.drain)) -}}
{{- end -}}
{{- end -}}

{{/*
Refuses what the schema cannot see: values that are each allowed, but not together.
*/}}
{{- define "web-app.validate" -}}
{{- $stopMs := add (mul 1000 (int .Values.preStopSleepSeconds)) (include "web-app.drainMs" . | atoi) -}}
{{- if le (mul 1000 (int .Values.terminationGracePeriodSeconds)) $stopMs -}}
{{- fail (printf "terminationGracePeriodSeconds (%d) must be more than preStopSleepSeconds (%d) and drain (%s) together, or pods are killed while they answer: set it to at least %d"
      (int .Values.terminationGracePeriodSeconds) (int .Values.preStopSleepSeconds) .Values.drain (add1 (div $stopMs 1000))) -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs a Gateway to attach to: set httpRoute.parentRefs[0].name" -}}
{{- end -}}
{{- end -}}
