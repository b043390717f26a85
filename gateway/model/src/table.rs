//! The tenants of one document, indexed by both of their keys.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::{Secret, SubscriptionId, Tenant, TenantName};

/// The tenants of one document. A new document replaces the whole table.
#[derive(Debug, Default)]
pub struct TenantTable {
    by_name: HashMap<TenantName, Arc<Tenant>>,
    by_subscription: HashMap<SubscriptionId, Arc<Tenant>>,
    values: HashMap<String, Secret>,
    is_sole: bool,
}

/// The tenants as they are now. Clones read the same tenants.
#[derive(Clone)]
pub struct TenantSnapshots(Arc<dyn Fn() -> Option<Arc<TenantTable>> + Send + Sync>);

/// The key that a tenant shares with another one in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKey {
    /// `Name`.
    Name,
    /// `subscriptionId`.
    SubscriptionId,
}

// === impl TenantTable ===

impl TenantTable {
    /// Adds a tenant.
    ///
    /// # Errors
    ///
    /// [`DuplicateKey`] if another tenant has one of its keys; the table is unchanged.
    pub fn insert(&mut self, tenant: Arc<Tenant>) -> Result<(), DuplicateKey> {
        // Both keys are checked before the first insert, so that an error leaves the table unchanged.
        if self.by_name.contains_key(&tenant.name) {
            return Err(DuplicateKey::Name);
        }
        if self.by_subscription.contains_key(&tenant.subscription_id) {
            return Err(DuplicateKey::SubscriptionId);
        }
        self.by_subscription.insert(tenant.subscription_id.clone(), Arc::clone(&tenant));
        self.by_name.insert(tenant.name.clone(), tenant);
        Ok(())
    }

    /// Records that the document has exactly one entry, including refused ones.
    pub fn set_sole(&mut self) {
        self.is_sole = true;
    }

    /// Returns whether there is one tenant, in a document with one entry. Then a caller cannot reach another caller's tenant.
    pub fn is_sole(&self) -> bool {
        self.is_sole && self.by_name.len() == 1
    }

    /// Finds the tenant with exactly this `Name`.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.by_name.get(name)
    }

    /// Finds the tenant with exactly this `subscriptionId`.
    pub fn by_subscription(&self, id: &str) -> Option<&Arc<Tenant>> {
        self.by_subscription.get(id)
    }

    /// Stores a value of the document that belongs to no tenant. Replaces a value with the same name.
    pub fn set_value(&mut self, name: &str, value: Secret) {
        self.values.insert(name.to_ascii_lowercase(), value);
    }

    /// Returns a value of the document that belongs to no tenant. Names are case-insensitive, like all fields of the document.
    /// Every value is treated as a secret, because plugins may store secrets there.
    pub fn value(&self, name: &str) -> Option<&Secret> {
        self.values.get(&name.to_ascii_lowercase())
    }

    /// Returns the number of tenants.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Returns whether there are no tenants.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Returns all tenants, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.by_name.values()
    }
}

// === impl TenantSnapshots ===

impl TenantSnapshots {
    /// Reads the tenants through `current`, which gives `None` until a tenant document was loaded.
    pub fn new(current: impl Fn() -> Option<Arc<TenantTable>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(current))
    }

    /// The tenants at this moment; `None` until a tenant document was loaded. Whoever needs the same tenants twice keeps what this
    /// returns.
    pub fn load(&self) -> Option<Arc<TenantTable>> {
        (self.0)()
    }
}

impl fmt::Debug for TenantSnapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantSnapshots").finish_non_exhaustive()
    }
}
