//! What is known of names that no tenant has any more.

use std::collections::HashMap;
use std::sync::Arc;

use kyc_events::Directory;
use kyc_model::{Tenant, TenantTable};

/// What is known of names that no tenant has any more.
#[derive(Default)]
pub(crate) struct FormerNames {
    /// The document that it is known from.
    pub(crate) directory: Option<Arc<Directory>>,
    pub(crate) now: HashMap<String, Option<Arc<Tenant>>>,
    /// Whether the events of older releases have their customers.
    pub(crate) are_bound: bool,
    /// Whether the parked events of customers that this document has are taken up.
    pub(crate) are_taken_up: bool,
}

// === impl FormerNames ===

impl FormerNames {
    /// The directory of a document, and whether it is a new one; what is known from another one is forgotten.
    pub(crate) fn directory(&mut self, tenants: &Arc<TenantTable>) -> (Arc<Directory>, bool) {
        match &self.directory {
            Some(directory) if directory.is_of(tenants) => (Arc::clone(directory), false),
            Some(_) | None => {
                let directory = Arc::new(Directory::new(tenants));
                self.now.clear();
                self.are_taken_up = false;
                self.directory = Some(Arc::clone(&directory));
                (directory, true)
            }
        }
    }

    /// Asks the store again, since events come and go.
    pub(crate) fn forget(&mut self) {
        self.now.clear();
    }
}
