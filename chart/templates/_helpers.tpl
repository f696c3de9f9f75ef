{{/*
The chart's name; in a parent chart its alias there, such as webApp or web_app, made valid in a resource's name.
*/}}
{{- define "web-app.chartName" -}}
{{- .Chart.Name | lower | replace "_" "-" | trimAll "-" -}}
{{- end -}}

{{/*
The name for the label app.kubernetes.io/name.
*/}}
{{- define "web-app.name" -}}
{{- .Values.nameOverride | default (include "web-app.chartName" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name of all resources. It is never cut: two releases could get the same.
*/}}
{{- define "web-app.fullname" -}}
{{- $name := include "web-app.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name -}}
{{- end -}}
{{- end -}}

{{/*
Refuses a name that Kubernetes would refuse when some of the resources are already made. A Service's name has no dot
and begins with a letter. At most 52 characters: the StatefulSet controller puts this name and a hash into the label
controller-revision-hash, and a label holds 63. The message offers the name that long releases had when it was cut.
*/}}
{{- define "web-app.validateName" -}}
{{- $fullname := include "web-app.fullname" . -}}
{{- if or (gt (len $fullname) 52) (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $fullname)) -}}
{{- $valid := $fullname | lower | replace "." "-" -}}
{{- if regexMatch "^[^a-z]" $valid -}}
{{- $valid = printf "%s-%s" (include "web-app.name" .) .Release.Name | lower | replace "." "-" -}}
{{- end -}}
{{- fail (printf "the resources of release %q would have the name %q, and Kubernetes takes at most 52 lower-case letters, digits and dashes that begin with a letter: set fullnameOverride to one that no other release in the namespace has, such as %s"
      .Release.Name $fullname ($valid | trunc 52 | trimSuffix "-")) -}}
{{- end -}}
{{- end -}}

{{/*
The headless Service, which gives each pod its DNS name.
*/}}
{{- define "web-app.headlessName" -}}
{{- include "web-app.fullname" . }}-headless
{{- end -}}

{{/*
The maps that no release does without. A map is absent where a parent chart or a user says null, or where
`helm upgrade --reuse-values` brings the values of an older chart. These then have their defaults, and of any other
absent map there is nothing. A test compares the defaults with values.yaml.
*/}}
{{- define "web-app.essentials" -}}
image: {{ .Values.image | default (dict "repository" "web-app" "pullPolicy" "IfNotPresent") | toJson }}
persistence: {{ .Values.persistence | default (dict "size" "100Mi" "accessMode" "ReadWriteOnce" "whenDeleted" "Retain" "whenScaled" "Retain") | toJson }}
service: {{ .Values.service | default (dict "type" "ClusterIP" "port" 80 "sessionAffinity" "None") | toJson }}
{{- end -}}

{{- define "web-app.serviceAccountName" -}}
{{- if (.Values.serviceAccount).create -}}
{{- (.Values.serviceAccount).name | default (include "web-app.fullname" .) -}}
{{- else -}}
{{- (.Values.serviceAccount).name | default "default" -}}
{{- end -}}
{{- end -}}

{{/*
The labels that select the pods. Selectors and claim templates are immutable, so nothing that an upgrade may
change belongs here.
*/}}
{{- define "web-app.selectorLabels" -}}
app.kubernetes.io/name: {{ include "web-app.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/*
The labels of the helm test's resources. The selectors above must not match them: the Service would send
visitors to a test pod.
*/}}
{{- define "web-app.testLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "web-app.name" . | trunc 58 | trimSuffix "-") | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/*
The helm test's pods, as a peer of a NetworkPolicy: they connect to both ports, also where few other clients may.
*/}}
{{- define "web-app.testPeer" -}}
- podSelector:
    matchLabels:
      {{- include "web-app.testLabels" . | nindent 6 }}
{{- end -}}

{{- define "web-app.commonLabels" -}}
{{ include "web-app.chartLabel" . }}
{{ include "web-app.podLabels" . }}
{{- end -}}

{{- define "web-app.chartLabel" -}}
helm.sh/chart: {{ printf "%s-%s" (include "web-app.chartName" .) .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/*
The labels that the pods have besides the selectors'. They restart when one changes, so the chart's version is none.
*/}}
{{- define "web-app.podLabels" -}}
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

{{/*
Labels with those that the user adds to one kind of resource, which win over commonLabels. No key may stand in a map twice.
Its argument is a list of the labels as YAML and the added map.
*/}}
{{- define "web-app.labelsWith" -}}
{{- mergeOverwrite (index . 0 | fromYaml) (index . 1 | default dict) | toYaml -}}
{{- end -}}

{{/*
For the notes, from a host of the Ingress and its `tls`: https if a certificate covers the host. One for *.example.com
covers one label before it; `tls` without hosts covers whatever the Ingress serves.
*/}}
{{- define "web-app.ingressScheme" -}}
{{- $host := index . 0 -}}
{{- $parent := regexReplaceAll "^[^.]*" $host "" -}}
{{- $scheme := "http" -}}
{{- range index . 1 -}}
{{- if or (not .hosts) (has $host .hosts) (has (printf "*%s" $parent) .hosts) -}}
{{- $scheme = "https" -}}
{{- end -}}
{{- end -}}
{{- $scheme -}}
{{- end -}}

{{/*
For the notes, a host name that can be opened: NAME.example.com for *.example.com.
*/}}
{{- define "web-app.anyName" -}}
{{- . | replace "*." "NAME." -}}
{{- end -}}

{{- define "web-app.image" -}}
{{- with (include "web-app.essentials" . | fromYaml).image -}}
{{- if .digest -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Whether the cluster assigns the pods' user and groups, as OpenShift does.
*/}}
{{- define "web-app.onOpenShift" -}}
{{- if kindIs "bool" .Values.openshift -}}
{{- .Values.openshift -}}
{{- else -}}
{{- .Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- end -}}
{{- end -}}

{{/*
Of the chart and one of its security contexts, the latter as YAML. OpenShift's SCC "restricted" refuses ids that are not in
the namespace's range, so the default ones are left out there. A null in a parent chart's values would not do that.
*/}}
{{- define "web-app.securityContext" -}}
{{- $context := index . 1 | default dict -}}
{{- if eq (include "web-app.onOpenShift" (index . 0)) "true" -}}
{{- range $id := list "runAsUser" "runAsGroup" "fsGroup" -}}
{{- if eq (get $context $id | toString) "65532" -}}
{{- $context = omit $context $id -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $context -}}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{/*
Whether the kubelet sleeps before it sends SIGTERM; the container needs no shell for that. Every cluster
supports it since 1.30; an older API server drops the field or refuses it.
*/}}
{{- define "web-app.hasPreStopSleep" -}}
{{- if and (gt (int .Values.preStopSleepSeconds) 0) (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) -}}
true
{{- end -}}
{{- end -}}

{{/*
drain in milliseconds. The schema has checked its form; `atoi` reads a number with leading zeros as decimal.
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
Refuses values that the schema allows one by one but that do not fit together.
*/}}
{{- define "web-app.validate" -}}
{{- include "web-app.validateName" . -}}
{{- if eq (toString .Values.enabled) "false" -}}
{{- fail (printf "enabled is false, but no parent chart evaluates it: give the dependency the line `condition: %s.enabled` in the parent's Chart.yaml" .Chart.Name) -}}
{{- end -}}
{{- $stopMs := add (mul 1000 (int .Values.preStopSleepSeconds)) (include "web-app.drainMs" . | atoi) -}}
{{- if le (mul 1000 (int .Values.terminationGracePeriodSeconds)) $stopMs -}}
{{- fail (printf "terminationGracePeriodSeconds (%d) must be more than preStopSleepSeconds (%d) and drain (%s) together, or pods are killed while they drain: set it to at least %d"
      (int .Values.terminationGracePeriodSeconds) (int .Values.preStopSleepSeconds) .Values.drain (add1 (div $stopMs 1000))) -}}
{{- end -}}
{{- include "web-app.validateLabels" . -}}
{{- $repository := (.Values.image).repository | default "" -}}
{{- if regexMatch ":[^/]*$" $repository -}}
{{- fail (printf "image.repository=%s has a tag: give the tag as image.tag" $repository) -}}
{{- end -}}
{{- $interval := (.Values.serviceMonitor).interval | default "" -}}
{{- if and $interval (.Values.prometheusRule).enabled (not (regexMatch "^([0-9]{1,5}ms|([0-9]{1,2}|1[01][0-9]|120)s|[12]m)$" $interval)) -}}
{{- fail (printf "serviceMonitor.interval=%s is too long: the alerts look at five minutes, and need two values in them; set at most 2m" $interval) -}}
{{- end -}}
{{- if and (eq (toString (.Values.updateStrategy).type) "OnDelete") (kindIs "map" .Values.updateStrategy.rollingUpdate) -}}
{{- fail "updateStrategy.rollingUpdate goes with updateStrategy.type=RollingUpdate only: set updateStrategy.rollingUpdate=null, or the other type" -}}
{{- end -}}
{{- if and (.Values.httpRoute).enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs a Gateway to attach to: set httpRoute.parentRefs[0].name" -}}
{{- end -}}
{{- end -}}

{{/*
A label that the chart sets itself must not be given another value: selectors would not match any more.
*/}}
{{- define "web-app.validateLabels" -}}
{{- $own := include "web-app.labels" (dict "Values" (omit .Values "commonLabels") "Chart" .Chart "Release" .Release) | fromYaml -}}
{{- range $name, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels
      "serviceMonitor.labels" (.Values.serviceMonitor).labels "prometheusRule.labels" (.Values.prometheusRule).labels
      "grafanaDashboard.labels" (.Values.grafanaDashboard).labels -}}
{{- range $label, $_ := $labels -}}
{{- if hasKey $own $label -}}
{{- fail (printf "%s has the label %s, which the chart sets itself: choose another label" $name $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The annotation that says where README tells what to do about an alert. Its argument is a list of the chart's scope and the
alert's name; the headings of README have these names.
*/}}
{{- define "web-app.runbook" -}}
{{- $root := index . 0 -}}
{{- $alert := index . 1 -}}
{{- with $root.Values.prometheusRule.runbooks -}}
runbook_url: {{ printf "%s#%s" . (lower $alert) | quote }}
{{- else -}}
runbook: README.md of web-app, section {{ $alert }}.
{{- end -}}
{{- end -}}
