//! Which tenant the events under a name belong to: an event belongs to a customer, and names change hands.

use std::sync::Arc;

use kyc_events::{Bound, Change, Customer, Directory, Recipient, StoreError, now};
use kyc_model::Tenant;

use crate::dispatcher::Dispatcher;
use crate::housekeeping::until_done;

// === impl Dispatcher ===

impl Dispatcher {
    /// The tenant that has this name, or whose customer had it.
    pub(crate) async fn lane_tenant(
        &mut self,
        directory: &Directory,
        name: &str,
    ) -> Result<Option<Arc<Tenant>>, StoreError> {
        if let Some(tenant) = directory.by_name(name) {
            return Ok(Some(Arc::clone(tenant)));
        }
        if let Some(known) = self.former_names.now.get(name) {
            return Ok(known.clone());
        }
        let owner = self.reader.owner(name).await?;
        let tenant = match owner.map(|owner| owner.recipient(directory)) {
            Some(Recipient::Tenant(tenant)) => Some(tenant),
            Some(Recipient::Absent | Recipient::Another) | None => None,
        };
        if let Some(tenant) = &tenant {
            tracing::info!(former = name, tenant = %tenant.name, "events under a former name go to the same customer");
        }
        self.former_names.now.insert(name.to_owned(), tenant.clone());
        Ok(tenant)
    }

    /// Takes events up that were parked because their customers were not in the document, when they are there again.
    pub(crate) async fn take_up_parked(&mut self, directory: &Directory) -> Result<(), StoreError> {
        if self.former_names.are_taken_up {
            return Ok(());
        }
        for owner in self.reader.parked_owners().await? {
            if let Recipient::Tenant(tenant) = owner.recipient(directory) {
                tracing::info!(former = owner.tenant, tenant = %tenant.name, "parked events have their customer again");
                let change = Change::UnparkCustomer { owner, now: now() };
                self.tasks.spawn(until_done(self.context.inbox.clone(), change));
            }
        }
        self.former_names.are_taken_up = true;
        Ok(())
    }

    /// Gives the events of older releases, which know a name only, the customer that has it in the first document. What
    /// is under another name belongs to nobody known, and is parked.
    pub(crate) async fn bind_customers(&mut self, directory: &Directory) -> Result<(), StoreError> {
        while !self.former_names.are_bound {
            let unbound = self.reader.unbound(MAX_ROWS_PER_UPDATE).await?;
            if unbound.is_empty() {
                self.former_names.are_bound = true;
                break;
            }
            let bound = unbound.into_iter().map(|(id, name)| {
                let tenant = directory.by_name(&name);
                if tenant.is_none() {
                    tracing::warn!(
                        tenant = name,
                        "event of an older release is of no tenant of the document"
                    );
                }
                Bound { id, customer: tenant.map(|tenant| Customer::of(tenant)) }
            });
            self.context.inbox.change(Change::Bind(bound.collect())).await?;
        }
        Ok(())
    }
}

/// Events that are bound at a time.
const MAX_ROWS_PER_UPDATE: usize = 1000;
