{{- define "syncline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "syncline.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "syncline.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "syncline.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "syncline.selectorLabels" -}}
app.kubernetes.io/name: {{ include "syncline.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "syncline.labels" -}}
{{ include "syncline.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "syncline.image" -}}
{{- $repository := required "image.repository is required: the image without its tag" .Values.image.repository }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "syncline.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "syncline.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "syncline.secretName" -}}
{{- default (include "syncline.fullname" .) .Values.secret.existingSecret }}
{{- end }}

{{/* The secrets that the chart is given, as keys of a Secret. */}}
{{- define "syncline.secretData" -}}
{{- $given := dict
  "account-sid" .Values.secret.accountSid
  "auth-token" .Values.secret.authToken
  "api-key-sid" .Values.secret.apiKeySid
  "api-key-secret" .Values.secret.apiKeySecret
  "api-keys" .Values.secret.apiKeys
  "master-key" .Values.secret.masterKey
  "redis-url" .Values.secret.redisUrl }}
{{- range $key, $value := $given }}
{{- if $value }}
{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The keys of the Secret that are mounted, as a JSON object {"keys": […]}. */}}
{{- define "syncline.secretKeys" -}}
{{- if .Values.secret.existingSecret }}
{{- dict "keys" .Values.secret.keys | toJson }}
{{- else }}
{{- dict "keys" (include "syncline.secretData" . | fromYaml | keys | sortAlpha) | toJson }}
{{- end }}
{{- end }}

{{/* Stops with a sentence where values contradict each other. */}}
{{- define "syncline.check" -}}
{{- $keys := (include "syncline.secretKeys" . | fromJson).keys }}
{{- if eq .Values.storage "external" }}
{{- range $key := list "account-sid" "auth-token" "api-key-sid" "api-key-secret" "master-key" "redis-url" }}
{{- if not (has $key $keys) }}
{{- fail (printf "storage external: the secret %s is required, because all servers need the same one (secret.existingSecret, or the values in secret)" $key) }}
{{- end }}
{{- end }}
{{- else }}
{{- if or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled }}
{{- fail "storage embedded: one server alone can use the volume; set replicas to 1 and autoscaling.enabled to false, or use storage external" }}
{{- end }}
{{- if has "redis-url" $keys }}
{{- fail "storage embedded: redis-url must not be set (nor listed in secret.keys); for a Redis of yours use storage external" }}
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not (and (has "account-sid" $keys) (has "auth-token" $keys))) }}
{{- fail "serviceMonitor: account-sid and auth-token must be in the Secret, because Prometheus reads /metrics with the account's login" }}
{{- end }}
{{- range $key, $value := .Values.config }}
{{- $names := ternary (keys (ternary $value dict (kindIs "map" $value))) (list $key) (kindIs "map" $value) }}
{{- range $name := $names }}
{{- if has ($name | replace "_" "-") (list "host" "port" "data-dir" "drain-timeout" "redis-url" "tls-cert" "tls-key") }}
{{- fail (printf "config: %s is set by the chart; use the value of its own" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The settings as TOML. Texts, numbers, booleans and lists of them are written as in JSON. */}}
{{- define "syncline.toml" -}}
{{- range $key, $value := .Values.config }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- range $table, $values := .Values.config }}
{{- if kindIs "map" $values }}

[{{ $table }}]
{{- range $key, $value := $values }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "syncline.scheme" -}}
{{ ternary "HTTPS" "HTTP" (not (empty .Values.tls.secretName)) }}
{{- end }}

{{/* What Deployment and StatefulSet have in common: the pod. */}}
{{- define "syncline.pod" -}}
metadata:
  labels:
    {{- include "syncline.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A change of settings or secrets replaces the pods.
    checksum/config: {{ include "syncline.toml" . | sha256sum }}
    checksum/secret: {{ include "syncline.secretData" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "syncline.serviceAccountName" . }}
  automountServiceAccountToken: false
  # For a Service named "syncline" Kubernetes would set SYNCLINE_PORT=tcp://…, which the server reads as its port.
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  terminationGracePeriodSeconds: {{ add (ceil .Values.drainTimeout) (int .Values.preStopSeconds) 5 }}
  containers:
    - name: syncline
      image: {{ include "syncline.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      env:
        - name: SYNCLINE_CONFIG
          value: /etc/syncline/syncline.toml
        - name: SYNCLINE_HOST
          value: {{ .Values.host | quote }}
        - name: SYNCLINE_PORT
          value: "8040"
        # Made by the server, so that it owns it; the mount itself belongs to root.
        - name: SYNCLINE_DATA_DIR
          value: /data/syncline
        - name: SYNCLINE_DRAIN_TIMEOUT
          value: {{ .Values.drainTimeout | quote }}
        {{- range (include "syncline.secretKeys" . | fromJson).keys }}
        - name: SYNCLINE_{{ . | upper | replace "-" "_" }}_FILE
          value: /run/secrets/syncline/{{ . }}
        {{- end }}
        {{- if .Values.tls.secretName }}
        - name: SYNCLINE_TLS_CERT
          value: /run/secrets/tls/tls.crt
        - name: SYNCLINE_TLS_KEY
          value: /run/secrets/tls/tls.key
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: http
          containerPort: 8040
      {{- if gt (int .Values.preStopSeconds) 0 }}
      lifecycle:
        preStop:
          exec:
            command: [sleep, {{ .Values.preStopSeconds | quote }}]
      {{- end }}
      startupProbe:
        httpGet: {path: /healthz, port: http, scheme: {{ include "syncline.scheme" . }}}
        {{- toYaml .Values.probes.startup | nindent 8 }}
      livenessProbe:
        httpGet: {path: /healthz, port: http, scheme: {{ include "syncline.scheme" . }}}
        {{- toYaml .Values.probes.liveness | nindent 8 }}
      readinessProbe:
        httpGet: {path: /readyz, port: http, scheme: {{ include "syncline.scheme" . }}}
        {{- toYaml .Values.probes.readiness | nindent 8 }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - {name: config, mountPath: /etc/syncline, readOnly: true}
        - {name: data, mountPath: /data}
        # Sockets between the processes of a server.
        - {name: tmp, mountPath: /tmp}
        {{- if (include "syncline.secretKeys" . | fromJson).keys }}
        - {name: secrets, mountPath: /run/secrets/syncline, readOnly: true}
        {{- end }}
        {{- if .Values.tls.secretName }}
        - {name: tls, mountPath: /run/secrets/tls, readOnly: true}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "syncline.fullname" . }}
    - name: tmp
      emptyDir: {}
    {{- if eq .Values.storage "external" }}
    - name: data
      emptyDir: {}
    {{- else if .Values.embedded.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.embedded.existingClaim }}
    {{- end }}
    {{- with (include "syncline.secretKeys" . | fromJson).keys }}
    - name: secrets
      secret:
        secretName: {{ include "syncline.secretName" $ }}
        defaultMode: 0440
        items:
          {{- range . }}
          - {key: {{ . }}, path: {{ . }}}
          {{- end }}
    {{- end }}
    {{- with .Values.tls.secretName }}
    - name: tls
      secret:
        secretName: {{ . }}
        # Readable for the server's group; a key that everybody can read is refused.
        defaultMode: 0440
    {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
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
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
