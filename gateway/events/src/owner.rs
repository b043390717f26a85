//! The owner of an event, identified by values that survive a rename of the tenant.
//!
//! A tenant's name is not enough: when a tenant is renamed and another customer gets its old name, stored events would be
//! delivered to the wrong customer. An event therefore keeps the subscription id (as a digest) and the webhook id of its
//! tenant, and is delivered only to a tenant that matches at least two of name, subscription id and webhook id.

use std::collections::HashMap;
use std::sync::Arc;

use kyc_model::{Tenant, TenantTable};
use sha2::{Digest, Sha256};

/// The identifiers of a customer in the tenant's entry at the time of receipt.
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
    /// The customer; `None` for events of older releases.
    pub customer: Option<Customer>,
    /// What the encrypted body is bound to.
    pub binding: Binding,
}

/// An index of the tenants of one document by the values that identify an owner.
#[derive(Debug)]
pub struct TenantIndex {
    tenants: Arc<TenantTable>,
    by_subscription: HashMap<String, Arc<Tenant>>,
}

/// What an encrypted body is bound to, in addition to its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The tenant's name, in events of older releases.
    Name,
    /// The customer's subscription id and webhook id.
    Customer,
}

/// The current recipient of an event.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// The tenant of the current document.
    Tenant(Arc<Tenant>),
    /// Neither the name nor the subscription id is in the document; the event waits.
    Absent,
    /// The tenant that was found is another customer, or two tenants match. The event is parked.
    OtherCustomer,
}

// === impl Customer ===

impl Customer {
    /// Returns the customer of a tenant.
    pub fn of(tenant: &Tenant) -> Self {
        Self { subscription: digest(tenant.subscription_id.as_str()), webhook: tenant.webhook_id.clone() }
    }

    /// Returns whether a tenant is this customer: one of name, subscription id and webhook id may have changed. Without a
    /// webhook id the subscription id must match.
    fn matches(&self, name: &str, tenant: &Tenant) -> bool {
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
    /// Returns the owner of an event that is received for this tenant now.
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            tenant: tenant.name.as_str().to_owned(),
            customer: Some(Customer::of(tenant)),
            binding: Binding::Customer,
        }
    }

    /// Finds the recipient of the event. When two tenants match, neither gets it: a delivery to the wrong customer discloses
    /// personal data.
    pub fn recipient(&self, index: &TenantIndex) -> Recipient {
        let by_name = index.by_name(&self.tenant);
        let Some(customer) = &self.customer else {
            return by_name.map_or(Recipient::Absent, |tenant| Recipient::Tenant(Arc::clone(tenant)));
        };
        let by_subscription = index.by_subscription.get(&customer.subscription);
        let is_customer = |tenant: &&Arc<Tenant>| customer.matches(&self.tenant, tenant);
        match (by_name.filter(is_customer), by_subscription.filter(is_customer)) {
            (Some(one), Some(other)) if !Arc::ptr_eq(one, other) => Recipient::OtherCustomer,
            (Some(tenant), _) | (None, Some(tenant)) => Recipient::Tenant(Arc::clone(tenant)),
            (None, None) if by_name.is_none() && by_subscription.is_none() => Recipient::Absent,
            (None, None) => Recipient::OtherCustomer,
        }
    }
}

// === impl TenantIndex ===

impl TenantIndex {
    /// Creates the index of a tenant table.
    pub fn new(tenants: &Arc<TenantTable>) -> Self {
        let digests =
            tenants.iter().map(|tenant| (digest(tenant.subscription_id.as_str()), Arc::clone(tenant)));
        Self { by_subscription: digests.collect(), tenants: Arc::clone(tenants) }
    }

    /// Returns whether it is the index of this table, and not of an older document.
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
    /// Returns the number in the table.
    pub fn code(self) -> i32 {
        match self {
            Self::Name => 0,
            Self::Customer => 1,
        }
    }

    /// Returns the binding of a number in the table.
    pub fn from_code(code: i32) -> Self {
        if code == 0 { Self::Name } else { Self::Customer }
    }
}

#[cfg(test)]
mod tests;
