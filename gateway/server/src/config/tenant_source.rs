//! The source of the tenant document.

use std::path::PathBuf;

use kyc_tenants::{VaultAuth, VaultSettings};

/// The source of the tenant document, a file or Vault.
#[derive(Debug)]
pub(crate) enum TenantSource {
    File(PathBuf),
    Vault(Box<VaultSettings>),
}

// === impl TenantSource ===

impl TenantSource {
    /// Returns whether the credential is valid for one login only: a wrapped secret id can be unwrapped once.
    pub(crate) fn has_single_use_login(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Vault(settings) => matches!(settings.auth, VaultAuth::AppRole { wrapped: true, .. }),
        }
    }
}
