{{- /* The roles that the program has. A later one gets a row here and in values.schema.json:
workload is StatefulSet where it keeps something on disk; scales says whether several share
the work by a Kafka consumer group. */ -}}
{{- define "telltale.known" -}}
all: {workload: StatefulSet, scales: false}
gateway: {workload: StatefulSet, scales: false}
process: {workload: Deployment, scales: true}
serve: {workload: Deployment, scales: false}
{{- end -}}

{{- define "telltale.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "telltale.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "telltale.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "telltale.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "telltale.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "telltale.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "telltale.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* Labels of everything, and those by which all pods of the release are found. */ -}}
{{- define "telltale.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "telltale.selector" . }}
{{- end -}}

{{- define "telltale.selector" -}}
app.kubernetes.io/name: {{ include "telltale.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* What follows is called with (list $ ROLE), a role being an entry of .Values.roles over
.Values.defaults. */ -}}
{{- define "telltale.roleName" -}}
{{- $role := index . 1 -}}
{{- default $role.role $role.name -}}
{{- end -}}

{{- define "telltale.roleFullname" -}}
{{- printf "%s-%s" (include "telltale.fullname" (index . 0)) (include "telltale.roleName" .) -}}
{{- end -}}

{{- define "telltale.roleSelector" -}}
{{ include "telltale.selector" (index . 0) }}
app.kubernetes.io/component: {{ include "telltale.roleName" . }}
{{- end -}}

{{- define "telltale.roleLabels" -}}
{{ include "telltale.labels" (index . 0) }}
app.kubernetes.io/component: {{ include "telltale.roleName" . }}
{{- end -}}

{{- /* The configuration as the program reads it. */ -}}
{{- define "telltale.config" -}}
{{- $role := index . 1 -}}
{{- if not $role.config -}}
{{- fail (printf "roles: %s: config: is empty: want the configuration of telltale run, or existingConfigMap" (include "telltale.roleName" .)) -}}
{{- end -}}
{{- range list "data" "listen" -}}
{{- if hasKey $role.config . -}}
{{- fail (printf "roles: %s: config.%s: is set by the chart: leave it out" (include "telltale.roleName" $) .) -}}
{{- end -}}
{{- end -}}
data: /var/lib/telltale
listen: 0.0.0.0:8080
{{ toYaml $role.config }}
{{- end -}}

{{- /* GOMEMLIMIT: a share of the memory limit. */ -}}
{{- define "telltale.goMemory" -}}
{{- $role := index . 1 -}}
{{- $said := toString $role.resources.limits.memory -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $said -}}
{{- $unit := trimPrefix $number $said -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if or (not $number) (not (hasKey $units $unit)) -}}
{{- fail (printf "roles: %s: resources.limits.memory: %q is not allowed: want a quantity as in 3Gi" (include "telltale.roleName" .) $said) -}}
{{- end -}}
{{- printf "%dMiB" (int64 (divf (mulf (float64 $number) (float64 (get $units $unit)) (float64 $role.goMemoryShare)) 1048576.0)) -}}
{{- end -}}
