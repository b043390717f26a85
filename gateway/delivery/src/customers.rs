//! Finds the tenant that events under a name belong to. An event belongs to a customer, and another customer can get the
//! customer's former tenant name.

use std::sync::Arc;

use kyc_events::{Command, Customer, CustomerAssignment, Recipient, StoreError, TenantIndex, now};
use kyc_model::Tenant;

use crate::dispatcher::Dispatcher;
use crate::maintenance::until_done;

// === impl Dispatcher ===

impl Dispatcher {
    /// Returns the tenant with this name, or the tenant whose customer had it before.
    pub(crate) async fn lane_tenant(
        &mut self,
        tenant_index: &TenantIndex,
        name: &str,
    ) -> Result<Option<Arc<Tenant>>, StoreError> {
        if let Some(tenant) = tenant_index.by_name(name) {
            return Ok(Some(Arc::clone(tenant)));
        }
        if let Some(known) = self.former_names.now.get(name) {
            return Ok(known.clone());
        }
        let owner = self.reader.owner(name).await?;
        let tenant = match owner.map(|owner| owner.recipient(tenant_index)) {
            Some(Recipient::Tenant(tenant)) => Some(tenant),
            Some(Recipient::Absent | Recipient::OtherCustomer) | None => None,
        };
        if let Some(tenant) = &tenant {
            tracing::info!(former = name, tenant = %tenant.name, "events under a former name go to the same customer");
        }
        self.former_names.now.insert(name.to_owned(), tenant.clone());
        Ok(tenant)
    }

    /// Makes events waiting again that were parked because their customers were not in the document, and now are.
    pub(crate) async fn unpark_returned_customers(
        &mut self,
        tenant_index: &TenantIndex,
    ) -> Result<(), StoreError> {
        if self.former_names.are_parked_checked {
            return Ok(());
        }
        for owner in self.reader.parked_owners().await? {
            if let Recipient::Tenant(tenant) = owner.recipient(tenant_index) {
                tracing::info!(former = owner.tenant, tenant = %tenant.name, "customer of parked events is in the document again");
                let change = Command::UnparkCustomer { owner, now: now() };
                self.tasks.spawn(until_done(self.context.commit_queue.clone(), change));
            }
        }
        self.former_names.are_parked_checked = true;
        Ok(())
    }

    /// Assigns events of older releases, which have only a tenant name, to the customer that has this name in the first
    /// document. Events under any other name are parked.
    pub(crate) async fn bind_customers(&mut self, tenant_index: &TenantIndex) -> Result<(), StoreError> {
        while !self.former_names.are_bound {
            let unbound = self.reader.unbound(MAX_ROWS_PER_UPDATE).await?;
            if unbound.is_empty() {
                self.former_names.are_bound = true;
                break;
            }
            let bound = unbound.into_iter().map(|(id, name)| {
                let tenant = tenant_index.by_name(&name);
                if tenant.is_none() {
                    tracing::warn!(
                        tenant = name,
                        "event of an older release belongs to no tenant of the document"
                    );
                }
                CustomerAssignment { id, customer: tenant.map(|tenant| Customer::of(tenant)) }
            });
            self.context.commit_queue.submit(Command::AssignCustomers(bound.collect())).await?;
        }
        Ok(())
    }
}

/// Events assigned in one command.
const MAX_ROWS_PER_UPDATE: usize = 1000;
