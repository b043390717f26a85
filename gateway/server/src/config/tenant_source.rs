//! Where the tenant document comes from.

use std::path::PathBuf;

use kyc_tenants::{VaultAuth, VaultSettings};

/// Where the tenant document comes from.
#[derive(Debug)]
pub(crate) enum TenantSource {
    File(PathBuf),
    Vault(Box<VaultSettings>),
}

// === impl TenantSource ===

impl TenantSource {
    /// Says whether the first login uses up what it logs in with.
    pub(crate) fn is_used_up_by_a_login(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Vault(settings) => matches!(settings.auth, VaultAuth::AppRole { wrapped: true, .. }),
        }
    }
}
