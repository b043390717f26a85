{{/*
The volumes with secrets and certificates, each with the folder that it is mounted at. No `subPath`: a changed Secret must reach the
pod, where the gateway reads tenants, certificates and callers' secrets again.
*/}}
{{- define "kyc-gateway.folders" -}}
{{- $v := .Values -}}
{{- if and (eq $v.tenants.source "secret") }}
- name: tenants
  path: /etc/kyc-gateway/tenants
  secret:
    secretName: {{ $v.tenants.secret.name }}
    defaultMode: 0440
    items: [{ key: {{ $v.tenants.secret.key }}, path: tenants.json }]
{{- else if eq $v.tenants.vault.login "kubernetes" }}
- name: vault-token
  path: /var/run/secrets/kyc-gateway
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: vault-token
          expirationSeconds: 3600
          {{- with $v.tenants.vault.audience }}
          audience: {{ . }}
          {{- end }}
{{- end }}
{{- if and (eq $v.tenants.source "vault") $v.tenants.vault.caConfigMap }}
- name: vault-ca
  path: /etc/kyc-gateway/vault-ca
  configMap:
    name: {{ $v.tenants.vault.caConfigMap }}
    items: [{ key: ca.crt, path: ca.crt }]
{{- end }}
{{- if $v.callers.names }}
- name: callers
  path: /etc/kyc-gateway/callers
  secret:
    secretName: {{ $v.callers.secretName }}
    defaultMode: 0440
    items:
    {{- range $v.callers.names }}
      - { key: {{ . | quote }}, path: {{ . | quote }} }
    {{- end }}
{{- end }}
{{- if eq $v.store.type "postgresql" }}
- name: store-address
  path: /etc/kyc-gateway/store
  secret:
    secretName: {{ $v.store.postgresql.secretName }}
    defaultMode: 0440
    items: [{ key: {{ $v.store.postgresql.key }}, path: url }]
{{- with $v.store.postgresql.caConfigMap }}
- name: store-ca
  path: /etc/kyc-gateway/postgresql
  configMap:
    name: {{ . }}
    items: [{ key: ca.crt, path: ca.crt }]
{{- end }}
{{- end }}
{{- with $v.store.encryptionKey }}
{{- if .secretName }}
- name: encryption
  path: /etc/kyc-gateway/encryption
  secret:
    secretName: {{ .secretName }}
    defaultMode: 0440
    items: [{ key: {{ .key }}, path: key }]
{{- end }}
{{- end }}
{{- with $v.listener.tls }}
{{- if .secretName }}
- name: tls
  path: /etc/kyc-gateway/tls
  secret: { secretName: {{ .secretName }}, defaultMode: 0440 }
{{- end }}
{{- if .clientCaSecretName }}
- name: client-ca
  path: /etc/kyc-gateway/client-ca
  secret:
    secretName: {{ .clientCaSecretName }}
    defaultMode: 0440
    items: [{ key: ca.crt, path: ca.crt }]
{{- end }}
{{- end }}
{{- with $v.admin.metricsToken }}
{{- if .secretName }}
- name: metrics-token
  path: /etc/kyc-gateway/metrics
  secret:
    secretName: {{ .secretName }}
    defaultMode: 0440
    items: [{ key: {{ .key }}, path: token }]
{{- end }}
{{- end }}
{{- with $v.caConfigMap }}
- name: ca
  path: /etc/kyc-gateway/ca
  configMap:
    name: {{ . }}
    items: [{ key: ca.crt, path: ca.crt }]
{{- end }}
{{- end -}}
