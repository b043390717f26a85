//! The tenants of one document, indexed by both of their keys.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::{Secret, SubscriptionId, Tenant, TenantName};

/// An immutable set of tenants: one snapshot, swapped as a whole.
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

/// Which of its keys a tenant shares with one that is already in the table.
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
    /// [`DuplicateKey`] when one of its keys is taken; the table is unchanged then.
    pub fn insert(&mut self, tenant: Arc<Tenant>) -> Result<(), DuplicateKey> {
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

    /// Notes that the document has one entry and no other, not even one that is refused.
    pub fn set_sole(&mut self) {
        self.is_sole = true;
    }

    /// Says whether there is one tenant, in a document that names no other: then no caller can get at another's.
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

    /// Keeps a value of the document that belongs to no tenant, in place of one of the same name.
    pub fn set_value(&mut self, name: &str, value: Secret) {
        self.values.insert(name.to_ascii_lowercase(), value);
    }

    /// A value of the document that belongs to no tenant, its name in any case, as
    /// with all fields of the document. Plugins may keep a secret there; all
    /// of them are treated as secrets.
    pub fn value(&self, name: &str) -> Option<&Secret> {
        self.values.get(&name.to_ascii_lowercase())
    }

    /// How many tenants there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// All tenants, in no order.
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

    /// The tenants at this moment; `None` until a tenant document was loaded. A request of a plugin uses the tenants of its `Ctx`
    /// instead, which stay the same for the whole request.
    pub fn load(&self) -> Option<Arc<TenantTable>> {
        (self.0)()
    }
}

impl fmt::Debug for TenantSnapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantSnapshots").finish_non_exhaustive()
    }
}
