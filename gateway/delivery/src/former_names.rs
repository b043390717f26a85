//! A cache of former tenant names and the tenants that their events belong to now.

use std::collections::HashMap;
use std::sync::Arc;

use kyc_events::Directory;
use kyc_model::{Tenant, TenantTable};

/// A cache of former tenant names and the tenants that their events belong to now.
#[derive(Default)]
pub(crate) struct FormerNames {
    /// The tenant document that the cache was built from.
    pub(crate) directory: Option<Arc<Directory>>,
    pub(crate) now: HashMap<String, Option<Arc<Tenant>>>,
    /// Whether all events of older releases are assigned to customers.
    pub(crate) are_bound: bool,
    /// Whether parked events were checked against this document.
    pub(crate) are_parked_checked: bool,
}

// === impl FormerNames ===

impl FormerNames {
    /// The directory of a document, and whether it is a new one; a new one clears the cache.
    pub(crate) fn directory(&mut self, tenants: &Arc<TenantTable>) -> (Arc<Directory>, bool) {
        match &self.directory {
            Some(directory) if directory.is_of(tenants) => (Arc::clone(directory), false),
            Some(_) | None => {
                let directory = Arc::new(Directory::new(tenants));
                self.now.clear();
                self.are_parked_checked = false;
                self.directory = Some(Arc::clone(&directory));
                (directory, true)
            }
        }
    }

    /// Clears the cache, so that the store is read again.
    pub(crate) fn forget(&mut self) {
        self.now.clear();
    }
}
