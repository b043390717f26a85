//! Checks the section `tenants`: the source of the tenant document, and the hosts that may receive API tokens.

use std::env;
use std::path::{Path, PathBuf};

use kyc_http_client::Cleartext;
use kyc_model::SecretSource;
use kyc_plugin_api::Warnings;
use kyc_tenants::{AzureIdentity, KvVersion, OnfidoHosts, VaultAuth, VaultSettings, VaultSource};

use super::folder::Folder;
use super::raw::{Auth, SourceKind, Tenants, Vault, Version};
use super::tenant_source::TenantSource;
use crate::decoding::Problems;

/// Checks the selected source. A file or secret that is missing is only a warning, because the gateway reads it again at run
/// time.
pub(crate) fn check(
    raw: Tenants,
    folder: &Folder,
    warnings: &Warnings,
    problems: &mut Problems,
) -> Option<TenantSource> {
    match raw.source {
        SourceKind::File => {
            let path = folder.resolve(&raw.file.path);
            if let Err(error) = std::fs::File::open(&path) {
                warnings.add(format!("tenants.file.path: cannot read {} yet: {error}", path.display()));
            }
            Some(TenantSource::File(path))
        }
        SourceKind::Vault => vault(raw.vault, folder, warnings, problems),
    }
}

/// The hosts that may receive API tokens.
pub(crate) fn hosts(raw: &Tenants, problems: &mut Problems) -> OnfidoHosts {
    for (place, host) in raw.onfido_hosts.iter().enumerate() {
        let is_host =
            url::Host::parse(host).is_ok_and(|parsed| parsed.to_string().eq_ignore_ascii_case(host));
        if !is_host {
            let reason =
                format!("`{host}` is not a host name such as api.eu.onfido.com, without scheme and port");
            problems.add(format!("tenants.onfido_hosts[{place}]"), reason);
        }
    }
    OnfidoHosts::new(raw.onfido_hosts.iter().cloned()).with_cleartext(Cleartext::from_setting(raw.allow_http))
}

fn vault(raw: Vault, folder: &Folder, warnings: &Warnings, problems: &mut Problems) -> Option<TenantSource> {
    let auth = auth(&raw, folder, warnings, problems);
    if raw.timeout.is_zero() {
        problems.add("tenants.vault.timeout", "must be longer than zero");
    }
    // The variables of the Vault command line. A key in the file takes precedence, because it is specific to the gateway.
    let Some(address) = raw.address.or_else(|| variable("VAULT_ADDR")) else {
        problems.add("tenants.vault.address", "is required, here or as VAULT_ADDR");
        return None;
    };
    let ca_file = raw.ca_file.map(|file| folder.resolve(&file));
    let settings = VaultSettings {
        address,
        mount: raw.mount,
        path: raw.path,
        version: match raw.version {
            Version::Auto => KvVersion::Auto,
            Version::V1 => KvVersion::V1,
            Version::V2 => KvVersion::V2,
        },
        namespace: raw.namespace.or_else(|| variable("VAULT_NAMESPACE")),
        ca_file: ca_file.or_else(|| variable("VAULT_CACERT").map(PathBuf::from)),
        // A wrong login is reported already; a placeholder lets `VaultSource::new` check the rest.
        auth: auth.clone().unwrap_or_else(|| VaultAuth::Token(SecretSource::Env(TOKEN_VARIABLE.to_owned()))),
        timeout: raw.timeout,
        cleartext: Cleartext::from_setting(raw.allow_http),
    };
    match VaultSource::new(settings.clone()) {
        Ok(_) => auth.map(|_| TenantSource::Vault(Box::new(settings))),
        Err(error) => {
            problems.add("tenants.vault", error.to_string());
            None
        }
    }
}

fn auth(raw: &Vault, folder: &Folder, warnings: &Warnings, problems: &mut Problems) -> Option<VaultAuth> {
    let method = raw.auth.name();
    let mut login = LoginCheck { method, folder, warnings, problems };
    // Vault mounts an auth method at its own name by default.
    let mount = raw.auth_mount.clone().unwrap_or_else(|| method.to_owned());
    match raw.auth {
        Auth::Token => {
            let default = (raw.token_file.is_none() && raw.token_env.is_none()).then_some(TOKEN_VARIABLE);
            let variable = raw.token_env.as_deref().or(default);
            login.secret("token", raw.token_file.as_deref(), variable).map(VaultAuth::Token)
        }
        Auth::Approle => {
            let variable = raw.secret_id_env.as_deref();
            let secret_id = login.secret("secret_id", raw.secret_id_file.as_deref(), variable);
            let role_id = login.required("role_id", raw.role_id.as_ref());
            Some(VaultAuth::AppRole {
                mount,
                role_id: role_id?,
                secret_id: secret_id?,
                wrapped: raw.secret_id_wrapped,
            })
        }
        Auth::Kubernetes | Auth::Jwt => {
            let is_pod = raw.auth == Auth::Kubernetes && raw.jwt_file.is_none() && raw.jwt_env.is_none();
            let file = raw.jwt_file.as_deref().or(is_pod.then_some(Path::new(SERVICE_ACCOUNT)));
            let jwt = login.secret("jwt", file, raw.jwt_env.as_deref());
            let role = login.required("role", raw.role.as_ref());
            Some(VaultAuth::Jwt { mount, role: role?, jwt: jwt? })
        }
        Auth::Azure => Some(VaultAuth::Azure {
            mount,
            role: login.required("role", raw.role.as_ref())?,
            identity: AzureIdentity {
                endpoint: raw.azure_endpoint.clone(),
                resource: raw.azure_resource.clone(),
                client_id: raw.azure_client_id.clone(),
            },
        }),
        Auth::Cert => {
            let certificate_file = login.required("certificate_file", raw.certificate_file.as_ref());
            let key_file = login.required("key_file", raw.key_file.as_ref());
            Some(VaultAuth::Certificate {
                mount,
                certificate_file: folder.resolve(&certificate_file?),
                key_file: folder.resolve(&key_file?),
            })
        }
    }
}

/// Checks the keys of a login.
struct LoginCheck<'a> {
    method: &'static str,
    folder: &'a Folder,
    warnings: &'a Warnings,
    problems: &'a mut Problems,
}

impl LoginCheck<'_> {
    fn required<T: Clone>(&mut self, name: &str, value: Option<&T>) -> Option<T> {
        if value.is_none() {
            self.problems
                .add(format!("tenants.vault.{name}"), format!("is required for auth = \"{}\"", self.method));
        }
        value.cloned()
    }

    /// Finds the source of a secret. A secret that cannot be read yet is a warning: it can appear while the gateway runs.
    fn secret(
        &mut self,
        name: &'static str,
        file: Option<&Path>,
        variable: Option<&str>,
    ) -> Option<SecretSource> {
        let file = file.map(|file| self.folder.resolve(file));
        let path = format!("tenants.vault.{name}");
        let source = SecretSource::choose(name, file.as_deref(), variable);
        let source = source.map_err(|error| self.problems.add(&path, error.to_string())).ok()?;
        if let Err(error) = source.read() {
            self.warnings.add(format!("{path}: cannot log in yet: {error}"));
        }
        Some(source)
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

const TOKEN_VARIABLE: &str = "VAULT_TOKEN";
/// The path at which Kubernetes mounts the token of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
