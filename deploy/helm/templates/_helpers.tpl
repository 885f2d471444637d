{{- define "proxy.name" -}}
{{- .Values.fullnameOverride | default (printf "%s-prometheus-proxy" .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* What does not change over the life of a release. `app` is the original's label. */}}
{{- define "proxy.selector" -}}
app: prometheus-proxy
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "proxy.labels" -}}
{{ include "proxy.selector" . }}
app.kubernetes.io/name: prometheus-rsocket-proxy
app.kubernetes.io/component: prometheus-proxy
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}

{{- define "proxy.metadata" -}}
name: {{ include "proxy.name" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "proxy.labels" . | nindent 2 }}
{{- end -}}

{{- define "proxy.linger" -}}
{{- if .Values.persistence.enabled }}0{{ else }}{{ .Values.stopping.pushLingerSeconds }}{{ end -}}
{{- end -}}

{{- define "proxy.probe" -}}
httpGet:
  path: {{ .path }}
  port: scrape
  {{- if .root.Values.tls.httpSecret }}
  scheme: HTTPS
  {{- end }}
{{- end -}}

{{- define "proxy.args" -}}
{{- if .Values.config }}
- --config=/etc/prometheus-rsocket-proxy/config/config.toml
{{- end }}
- {{ printf "--log=%s" .Values.log | quote }}
- --log-format=json
- --max-memory={{ int .Values.maxMemoryMiB }}MiB
- --drain-delay={{ int .Values.stopping.drainDelaySeconds }}s
- --drain-spread={{ int .Values.stopping.drainSpreadSeconds }}s
- --push-linger={{ include "proxy.linger" . }}s
- --shutdown-timeout={{ int .Values.stopping.shutdownTimeoutSeconds }}s
- --push-dir=/var/lib/prometheus-rsocket-proxy/pushes
{{- with .Values.maxConnectionAge }}
- {{ printf "--max-connection-age=%s" . | quote }}
{{- end }}
{{- if .Values.keySecret.name }}
- --key-file=/etc/prometheus-rsocket-proxy/key/key.pem
{{- else if .Values.persistence.enabled }}
- --key-file=/var/lib/prometheus-rsocket-proxy/key.pem
{{- end }}
{{- if .Values.authSecret.name }}
- --auth-file=/etc/prometheus-rsocket-proxy/auth/auth.toml
{{- if .Values.authSecret.requireIdentity }}
- --require-identity
{{- end }}
{{- end }}
{{- if .Values.httpAuthSecret.name }}
- --http-auth-file=/etc/prometheus-rsocket-proxy/http-auth/http-auth.yaml
{{- end }}
{{- range $listener := list "tcp" "websocket" "http" }}
{{- if get $.Values.tls (printf "%sSecret" $listener) }}
- --{{ $listener }}-tls-cert=/etc/prometheus-rsocket-proxy/tls-{{ $listener }}/tls.crt
- --{{ $listener }}-tls-key=/etc/prometheus-rsocket-proxy/tls-{{ $listener }}/tls.key
{{- end }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/* The secrets: the name of the volume, that of the secret, its key and the file. */}}
{{- define "proxy.secrets" -}}
{{- $secrets := list -}}
{{- with .Values.keySecret }}{{ if .name }}{{ $secrets = append $secrets (dict "volume" "key" "secret" .name "key" .key "file" "key.pem") }}{{ end }}{{ end -}}
{{- with .Values.authSecret }}{{ if .name }}{{ $secrets = append $secrets (dict "volume" "auth" "secret" .name "key" .key "file" "auth.toml") }}{{ end }}{{ end -}}
{{- with .Values.httpAuthSecret }}{{ if .name }}{{ $secrets = append $secrets (dict "volume" "http-auth" "secret" .name "key" .key "file" "http-auth.yaml") }}{{ end }}{{ end -}}
{{- range $listener := list "tcp" "websocket" "http" }}
{{- $name := get $.Values.tls (printf "%sSecret" $listener) -}}
{{- if $name }}{{ $secrets = append $secrets (dict "volume" (printf "tls-%s" $listener) "secret" $name) }}{{ end -}}
{{- end -}}
{{- toJson $secrets -}}
{{- end -}}

{{- define "proxy.pod" -}}
metadata:
  labels:
    {{- include "proxy.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "proxy.name" . }}
  automountServiceAccountToken: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.stopping }}
  terminationGracePeriodSeconds: {{ add .drainDelaySeconds .drainSpreadSeconds (include "proxy.linger" $ | int) .shutdownTimeoutSeconds 10 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- if .Values.topologySpread }}
  topologySpreadConstraints:
    {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ $key }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "proxy.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: prometheus-proxy
      image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- include "proxy.args" . | nindent 8 }}
      {{- with .Values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: scrape
          containerPort: 8080
        - name: rsocket
          containerPort: 7001
        - name: websocket
          containerPort: 8081
      startupProbe:
        {{- include "proxy.probe" (dict "path" "/-/healthy" "root" .) | nindent 8 }}
        periodSeconds: 1
        failureThreshold: 30
      livenessProbe:
        {{- include "proxy.probe" (dict "path" "/-/healthy" "root" .) | nindent 8 }}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        {{- include "proxy.probe" (dict "path" "/-/ready" "root" .) | nindent 8 }}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 1
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: state
          mountPath: /var/lib/prometheus-rsocket-proxy
        {{- range include "proxy.secrets" . | fromJsonArray }}
        - name: {{ .volume }}
          mountPath: /etc/prometheus-rsocket-proxy/{{ .volume }}
          readOnly: true
        {{- end }}
        {{- if .Values.config }}
        - name: config
          mountPath: /etc/prometheus-rsocket-proxy/config
          readOnly: true
        {{- end }}
  volumes:
    {{- if not .Values.persistence.enabled }}
    - name: state
      emptyDir:
        sizeLimit: 128Mi
    {{- end }}
    {{- range include "proxy.secrets" . | fromJsonArray }}
    - name: {{ .volume }}
      secret:
        secretName: {{ .secret }}
        # Of root, and readable by the pod's fsGroup.
        defaultMode: 0440
        {{- if hasKey . "key" }}
        items:
          - key: {{ .key }}
            path: {{ .file }}
        {{- end }}
    {{- end }}
    {{- if .Values.config }}
    - name: config
      configMap:
        name: {{ include "proxy.name" . }}-config
    {{- end }}
{{- end -}}
