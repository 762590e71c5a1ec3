{{- /* The pod of a role: (list $ ROLE KNOWN). */ -}}
{{- define "telltale.pod" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $known := index . 2 -}}
{{- $self := list $root $role -}}
metadata:
  labels:
    {{- include "telltale.roleLabels" $self | nindent 4 }}
    {{- with $role.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- if not $role.existingConfigMap }}
    checksum/config: {{ include "telltale.config" $self | sha256sum }}
    {{- end }}
    kubectl.kubernetes.io/default-container: telltale
    {{- with $role.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "telltale.serviceAccount" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $role.terminationGracePeriodSeconds }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $role.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: telltale
      image: {{ include "telltale.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [run, --config, /etc/telltale/telltale.yaml, --role, {{ $role.role }}]
      env:
        - name: GOMEMLIMIT
          value: {{ include "telltale.goMemory" $self | quote }}
        {{- with $role.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: http
          containerPort: 8080
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 5
        timeoutSeconds: 3
      resources:
        {{- toYaml $role.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: config
          mountPath: /etc/telltale
          readOnly: true
        - name: data
          mountPath: /var/lib/telltale
        - name: tmp
          mountPath: /tmp
        {{- range $role.secrets }}
        - name: secret-{{ .name }}
          mountPath: /run/secrets/{{ .name }}
          readOnly: true
        {{- end }}
        {{- with $role.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ default (include "telltale.roleFullname" $self) $role.existingConfigMap }}
    - name: tmp
      emptyDir:
        sizeLimit: 256Mi
    {{- if eq $known.workload "Deployment" }}
    - name: data
      emptyDir: {}
    {{- end }}
    {{- range $role.secrets }}
    - name: secret-{{ .name }}
      secret:
        secretName: {{ .secretName }}
        defaultMode: 0440
    {{- end }}
    {{- with $role.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $role.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $role.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $role.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $role.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
