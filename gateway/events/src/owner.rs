//! The owner of an event, identified by values that survive a rename of the tenant.

use std::collections::HashMap;
use std::sync::Arc;

use kyc_model::{Tenant, TenantTable};
use sha2::{Digest, Sha256};

/// A customer, as the tenant's entry named it when the event was received.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Customer {
    /// A digest of the subscription id. The id itself is a credential for calls in the tenant's name and is never stored.
    pub subscription: String,
    /// The tenant's `webhookId`.
    pub webhook: Option<String>,
}

/// The owner of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The tenant's name at receipt. Another customer may have this name now.
    pub tenant: String,
    /// Absent for events of older releases.
    pub customer: Option<Customer>,
    /// What the sealed body is bound to.
    pub binding: Binding,
}

/// An index of the tenants of one document by the values that identify an owner.
#[derive(Debug)]
pub struct Directory {
    tenants: Arc<TenantTable>,
    by_subscription: HashMap<String, Arc<Tenant>>,
}

/// What a sealed body is bound to besides its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The tenant's name, in events of older releases.
    Name,
    /// By customer.
    Customer,
}

/// Who gets an event now.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// The tenant of the current document.
    Tenant(Arc<Tenant>),
    /// The customer is not in the document; the event waits.
    Absent,
    /// Another customer: only the name matches.
    Another,
}

// === impl Customer ===

impl Customer {
    /// The customer of a tenant.
    pub fn of(tenant: &Tenant) -> Self {
        Self { subscription: digest(tenant.subscription_id.as_str()), webhook: tenant.webhook_id.clone() }
    }

    /// Whether a tenant is this customer: one of name, subscription id and webhook id may have changed. Without a
    /// webhook id the subscription id decides.
    fn is(&self, name: &str, tenant: &Tenant) -> bool {
        let same_name = tenant.name.as_str() == name;
        let same_subscription = digest(tenant.subscription_id.as_str()) == self.subscription;
        match &self.webhook {
            None => same_subscription,
            webhook => {
                let same_webhook = tenant.webhook_id == *webhook;
                [same_name, same_subscription, same_webhook].into_iter().filter(|same| *same).count() >= 2
            }
        }
    }
}

// === impl Owner ===

impl Owner {
    /// The owner of an event received for this tenant now.
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            tenant: tenant.name.as_str().to_owned(),
            customer: Some(Customer::of(tenant)),
            binding: Binding::Customer,
        }
    }

    /// Finds the recipient of the event. When two tenants match, it is ambiguous and neither gets it.
    pub fn recipient(&self, directory: &Directory) -> Recipient {
        let by_name = directory.by_name(&self.tenant);
        let Some(customer) = &self.customer else {
            return by_name.map_or(Recipient::Absent, |tenant| Recipient::Tenant(Arc::clone(tenant)));
        };
        let by_subscription = directory.by_subscription.get(&customer.subscription);
        let is_customer = |tenant: &&Arc<Tenant>| customer.is(&self.tenant, tenant);
        match (by_name.filter(is_customer), by_subscription.filter(is_customer)) {
            (Some(one), Some(other)) if !Arc::ptr_eq(one, other) => Recipient::Another,
            (Some(tenant), _) | (None, Some(tenant)) => Recipient::Tenant(Arc::clone(tenant)),
            (None, None) if by_name.is_none() && by_subscription.is_none() => Recipient::Absent,
            (None, None) => Recipient::Another,
        }
    }
}

// === impl Directory ===

impl Directory {
    /// Makes the index of a tenant table.
    pub fn new(tenants: &Arc<TenantTable>) -> Self {
        let digests =
            tenants.iter().map(|tenant| (digest(tenant.subscription_id.as_str()), Arc::clone(tenant)));
        Self { by_subscription: digests.collect(), tenants: Arc::clone(tenants) }
    }

    /// Says whether it is of this document.
    pub fn is_of(&self, tenants: &Arc<TenantTable>) -> bool {
        Arc::ptr_eq(&self.tenants, tenants)
    }

    /// Finds the tenant that has this name now.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.tenants.by_name(name)
    }
}

fn digest(subscription: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"kyc-gateway event store: subscription id");
    hash.update(subscription);
    hex::encode(hash.finalize().iter().take(16).copied().collect::<Vec<u8>>())
}

// === impl Binding ===

impl Binding {
    /// The number in the store.
    pub fn code(self) -> i32 {
        match self {
            Self::Name => 0,
            Self::Customer => 1,
        }
    }

    /// The binding of a number in the store.
    pub fn from_code(code: i32) -> Self {
        if code == 0 { Self::Name } else { Self::Customer }
    }
}

#[cfg(test)]
mod tests;
