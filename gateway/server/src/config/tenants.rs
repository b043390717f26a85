//! Where the tenant document comes from.

use std::env;
use std::path::PathBuf;

use kyc_model::SecretSource;
use kyc_plugin_api::Warnings;
use kyc_tenants::{KvVersion, VaultAuth, VaultSettings, VaultSource};

use super::raw::{Auth, SourceKind, Tenants, Vault, Version};
use super::{Folder, TenantSource};
use crate::decoding::Problems;

/// Checks the section `tenants`. Only the source that is chosen is looked at. What may still appear while the
/// gateway runs is no problem, but a warning.
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

fn vault(raw: Vault, folder: &Folder, warnings: &Warnings, problems: &mut Problems) -> Option<TenantSource> {
    let auth = auth(&raw, folder, warnings, problems);
    if raw.timeout.is_zero() {
        problems.add("tenants.vault.timeout", "must be longer than zero");
    }
    // The variables mean what they mean everywhere; a key in the file is more explicit and wins.
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
        // A login that is wrong was noted; another stands in for it, so that the rest is checked too.
        auth: auth.clone().unwrap_or_else(|| VaultAuth::Token(SecretSource::Env(TOKEN_VARIABLE.to_owned()))),
        timeout: raw.timeout,
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
    let resolve = |file: &Option<PathBuf>| file.as_deref().map(|file| folder.resolve(file));
    let mut secret = |name, file: &Option<PathBuf>, variable: Option<&str>| {
        let source = SecretSource::choose(name, resolve(file).as_deref(), variable);
        let path = format!("tenants.vault.{name}");
        let source = source.map_err(|error| problems.add(&path, error.to_string())).ok()?;
        if let Err(error) = source.read() {
            warnings.add(format!("{path}: no login is possible yet: {error}"));
        }
        Some(source)
    };
    match raw.auth {
        Auth::Token => {
            let default = (raw.token_file.is_none() && raw.token_env.is_none()).then_some(TOKEN_VARIABLE);
            secret("token", &raw.token_file, raw.token_env.as_deref().or(default)).map(VaultAuth::Token)
        }
        Auth::Approle => {
            let secret_id = secret("secret_id", &raw.secret_id_file, raw.secret_id_env.as_deref());
            let Some(role_id) = raw.role_id.clone() else {
                problems.add("tenants.vault.role_id", "is required for auth = \"approle\"");
                return None;
            };
            Some(VaultAuth::AppRole { mount: raw.approle_mount.clone(), role_id, secret_id: secret_id? })
        }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

const TOKEN_VARIABLE: &str = "VAULT_TOKEN";
