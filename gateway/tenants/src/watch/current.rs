//! The current tenants, which the watch task replaces.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use kyc_model::TenantTable;

use super::removal::RefusedRemoval;

/// The current tenants: one immutable table that is replaced as a whole. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    table: Arc<ArcSwapOption<TenantTable>>,
    refused: Arc<ArcSwapOption<RefusedRemoval>>,
}

// === impl Tenants ===

impl Tenants {
    /// Returns the current table; `None` before the first document is loaded.
    pub fn load(&self) -> Option<Arc<TenantTable>> {
        self.table.load_full()
    }

    /// Replaces the table. Requests in flight keep the table that they began with.
    pub fn replace(&self, table: Arc<TenantTable>) {
        self.table.store(Some(table));
    }

    /// Returns the refusal of the newest document, if that is refused because it removes most of the tenants.
    pub fn refused_removal(&self) -> Option<Arc<RefusedRemoval>> {
        self.refused.load_full()
    }

    /// Sets or ends the refusal of the newest document.
    pub(super) fn set_refused_removal(&self, refused: Option<RefusedRemoval>) {
        self.refused.store(refused.map(Arc::new));
    }
}
