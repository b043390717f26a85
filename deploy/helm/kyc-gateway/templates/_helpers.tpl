{{- define "kyc-gateway.name" -}}
{{- $name := ternary .Release.Name (printf "%s-kyc-gateway" .Release.Name) (contains "kyc-gateway" .Release.Name) -}}
{{- $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "kyc-gateway.selector" -}}
app.kubernetes.io/name: kyc-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kyc-gateway.labels" -}}
{{ include "kyc-gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "kyc-gateway.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "kyc-gateway.name" .) -}}
{{- end -}}

{{- define "kyc-gateway.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The configuration of the gateway. Texts are quoted as JSON, which TOML's basic strings accept. */}}
{{- define "kyc-gateway.configuration" -}}
{{- $v := .Values -}}
# Written by the chart kyc-gateway from its values.
[server]
drain = "{{ $v.drain.seconds }}s"
drain_delay = "{{ $v.drain.delaySeconds }}s"

[[listeners]]
name = "main"
address = "0.0.0.0:{{ $v.listener.port }}"
{{- with $v.listener.tls }}
{{- if .secretName }}
tls = { certificate_file = "/etc/kyc-gateway/tls/tls.crt", key_file = "/etc/kyc-gateway/tls/tls.key"
{{- if .clientCaSecretName }}, client_ca_file = "/etc/kyc-gateway/client-ca/ca.crt", client_certificate = {{ .clientCertificate | toJson }}{{ end }} }
{{- end }}
{{- end }}

[admin]
address = "0.0.0.0:{{ $v.admin.port }}"
hosts = {{ $v.admin.hosts | toJson }}
{{- if $v.admin.metricsToken.secretName }}
metrics_token_file = "/etc/kyc-gateway/metrics/token"
{{- end }}

[admin.operations]
socket = "/run/kyc-gateway/admin.sock"

[log]
level = {{ $v.log.level | toJson }}

[tenants]
{{- if eq $v.tenants.source "secret" }}
source = "file"

[tenants.file]
path = "/etc/kyc-gateway/tenants/tenants.json"
{{- else }}
source = "vault"

[tenants.vault]
{{- with $v.tenants.vault }}
address = {{ .address | toJson }}
mount = {{ .mount | toJson }}
path = {{ .path | toJson }}
{{- if .namespace }}
namespace = {{ .namespace | toJson }}
{{- end }}
{{- if .caConfigMap }}
ca_file = "/etc/kyc-gateway/vault-ca/ca.crt"
{{- end }}
{{- if eq .login "kubernetes" }}
auth = "kubernetes"
auth_mount = {{ .authMount | toJson }}
role = {{ .role | toJson }}
jwt_file = "/var/run/secrets/kyc-gateway/vault-token"
{{- else }}
auth = "token"
token_file = "/vault/secrets/token"
{{- end }}
{{- end }}
{{- end }}

[events]
{{- if eq $v.store.type "postgresql" }}
postgres_file = "/etc/kyc-gateway/store/url"
{{- else }}
path = "/var/lib/kyc-gateway/events.db"
max_size = {{ $v.store.sqlite.maxSize | toJson }}
{{- end }}
{{- if $v.store.encryptionKey.secretName }}
key_file = "/etc/kyc-gateway/encryption/key"
{{- end }}

{{ if $v.routes -}}
{{ $v.routes }}
{{- else -}}
[[routes]]
name = "webhook"
paths = ["/dcs/kyc2/webhook/notify/{configurationName}", "/dcs/kyc2/webhook/notify/{configurationName}/"]
methods = ["POST"]
plugins = [{ plugin = "webhook" }]

[[routes]]
name = "onfido"
paths = ["/dcs/kyc2/{*path}"]
{{- with $v.callers }}
open = {{ .open }}
any_tenant = {{ .anyTenant }}
{{- if or .names .allow $v.listener.tls.clientCaSecretName }}

[[routes.plugins]]
plugin = "caller-auth"
require = {{ .require | toJson }}
{{- if .names }}
secrets = [
{{- range .names }}
  { name = {{ . | toJson }}, file = {{ printf "/etc/kyc-gateway/callers/%s" . | toJson }} },
{{- end }}
]
{{- end }}
{{- if .allow }}
allow = {{ .allow | toJson }}
{{- end }}
{{- if $v.listener.tls.clientCaSecretName }}
certificates = ["*"]
{{- end }}
{{- end }}
{{- end }}

[[routes.plugins]]
plugin = "subscription"

[[routes.plugins]]
plugin = "onfido"
{{- end }}
{{- with $v.extraConfig }}

{{ . }}
{{- end }}
{{- end -}}
