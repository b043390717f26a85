//! Whose an event is, by what stays when a tenant is renamed.

use std::sync::Arc;

use kyc_model::{Tenant, TenantTable};

/// A customer, as the tenant's entry named it when the event was received.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Customer {
    pub(crate) subscription: String,
    pub(crate) webhook: Option<String>,
}

/// Whose an event is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The tenant's name at receipt. Another customer may have it by now.
    pub(crate) tenant: String,
    /// Absent for events of older releases.
    pub(crate) customer: Option<Customer>,
    pub(crate) binding: Binding,
}

/// What a sealed body is bound to besides its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// The tenant's name, in events of older releases.
    Name,
    Customer,
}

/// Who gets an event now.
#[derive(Clone, Debug)]
pub(crate) enum Recipient {
    Tenant(Arc<Tenant>),
    /// The customer is not in the document; the event waits.
    Absent,
    /// Only the name is the same, so it is another customer.
    Another,
}

// === impl Customer ===

impl Customer {
    pub(crate) fn of(tenant: &Tenant) -> Self {
        Self { subscription: tenant.subscription_id.as_str().to_owned(), webhook: tenant.webhook_id.clone() }
    }

    /// Says whether a tenant is this customer: one of name, subscription id and webhook id may have changed. Without a
    /// webhook id the subscription id decides.
    fn is(&self, name: &str, tenant: &Tenant) -> bool {
        let same_name = tenant.name.as_str() == name;
        let same_subscription = tenant.subscription_id.as_str() == self.subscription;
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
    /// The owner of what comes for a tenant now.
    pub(crate) fn of(tenant: &Tenant) -> Self {
        Self {
            tenant: tenant.name.as_str().to_owned(),
            customer: Some(Customer::of(tenant)),
            binding: Binding::Customer,
        }
    }

    /// Finds who gets the event. Two tenants that both could be the customer are none.
    pub(crate) fn recipient(&self, tenants: &TenantTable) -> Recipient {
        let by_name = tenants.by_name(&self.tenant);
        let Some(customer) = &self.customer else {
            return by_name.map_or(Recipient::Absent, |tenant| Recipient::Tenant(Arc::clone(tenant)));
        };
        let by_subscription = tenants.by_subscription(&customer.subscription);
        let is_customer = |tenant: &&Arc<Tenant>| customer.is(&self.tenant, tenant);
        match (by_name.filter(is_customer), by_subscription.filter(is_customer)) {
            (Some(one), Some(other)) if !Arc::ptr_eq(one, other) => Recipient::Another,
            (Some(tenant), _) | (None, Some(tenant)) => Recipient::Tenant(Arc::clone(tenant)),
            (None, None) if by_name.is_none() && by_subscription.is_none() => Recipient::Absent,
            (None, None) => Recipient::Another,
        }
    }
}

// === impl Binding ===

impl Binding {
    /// The number in the store.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Name => 0,
            Self::Customer => 1,
        }
    }

    /// The binding of a number in the store.
    pub(crate) fn from_code(code: i32) -> Self {
        if code == 0 { Self::Name } else { Self::Customer }
    }
}

#[cfg(test)]
mod tests;
