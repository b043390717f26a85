//! The keys of all entries of a document, of refused ones too, to find the running tenants that have no entry any more.

use std::collections::HashSet;
use std::sync::Arc;

use kyc_model::{SubscriptionId, Tenant, TenantName, TenantTable};

/// The readable names and subscription ids of all entries.
#[derive(Debug, Default)]
pub(crate) struct EntryKeys {
    names: HashSet<TenantName>,
    subscription_ids: HashSet<SubscriptionId>,
}

// === impl EntryKeys ===

impl EntryKeys {
    /// Adds the keys of an entry.
    pub(super) fn add(&mut self, name: Option<TenantName>, subscription_id: Option<SubscriptionId>) {
        self.names.extend(name);
        self.subscription_ids.extend(subscription_id);
    }

    /// Returns whether no entry has a readable key.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.subscription_ids.is_empty()
    }

    /// Returns the tenants of `running` without an entry, by name. An entry with the same `subscriptionId` is the same tenant
    /// under another name.
    pub(crate) fn missing(&self, running: &TenantTable) -> Vec<TenantName> {
        let is_missing = |tenant: &&Arc<Tenant>| {
            !self.names.contains(&tenant.name) && !self.subscription_ids.contains(&tenant.subscription_id)
        };
        let mut names: Vec<_> = running.iter().filter(is_missing).map(|tenant| tenant.name.clone()).collect();
        names.sort_unstable();
        names
    }
}
