//! A cache of former tenant names and the tenants that their events belong to now.

use std::collections::HashMap;
use std::sync::Arc;

use kyc_events::TenantIndex;
use kyc_model::{Tenant, TenantTable};

/// A cache of former tenant names and the tenants that their events belong to now.
#[derive(Default)]
pub(crate) struct FormerNames {
    /// The tenant document that the cache was built from.
    pub(crate) tenant_index: Option<Arc<TenantIndex>>,
    pub(crate) now: HashMap<String, Option<Arc<Tenant>>>,
    /// Whether all events of older releases are assigned to customers.
    pub(crate) are_bound: bool,
    /// Whether parked events were checked against this document.
    pub(crate) are_parked_checked: bool,
}

// === impl FormerNames ===

impl FormerNames {
    /// Returns the tenant index of a document, and whether the document is new; a new one clears the cache.
    pub(crate) fn tenant_index(&mut self, tenants: &Arc<TenantTable>) -> (Arc<TenantIndex>, bool) {
        match &self.tenant_index {
            Some(tenant_index) if tenant_index.is_of(tenants) => (Arc::clone(tenant_index), false),
            Some(_) | None => {
                let tenant_index = Arc::new(TenantIndex::new(tenants));
                self.now.clear();
                self.are_parked_checked = false;
                self.tenant_index = Some(Arc::clone(&tenant_index));
                (tenant_index, true)
            }
        }
    }

    /// Clears the cache, so that the store is read again.
    pub(crate) fn forget(&mut self) {
        self.now.clear();
    }
}
