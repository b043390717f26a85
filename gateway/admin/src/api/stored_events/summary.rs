//! Counts the events of each tenant, and shows why their deliveries are held.
//!
//! Events are stored under the tenant's name at receipt. After a tenant was renamed, they are delivered by the tenant that has
//! the same customer now, so the holds of that tenant count.

use std::collections::BTreeSet;

use kyc_delivery::{Cause, Delivery, Hold, Liveness};
use kyc_events::{Filter, ParkedCount, Reader, Recipient, StoreError, TenantEventCounts, TenantIndex, now};
use tokio::time::Instant;

use super::pages::EventPages;
use super::parameters::{Refusal, unavailable};
use super::shown::time;
use crate::api::event_messages::{DispatcherEntry, EventSummary, HoldEntry, TenantEvents, TenantHold};

/// Finds the tenant whose lane delivers the events stored under a name.
struct Lanes {
    /// `None` until a tenant document is loaded.
    tenant_index: Option<TenantIndex>,
}

/// Why waiting events are not delivered when they are due.
enum Waits {
    /// The lane and its hold.
    Held(String, Hold),
    /// Their customer is not in the tenant document.
    NotInDocument,
}

impl EventPages {
    /// Counts the events of each tenant by state, with the age of the oldest undelivered one, the time when the next one is due,
    /// and the reason of a hold.
    pub(super) async fn summary(&self) -> Result<EventSummary, Refusal> {
        let (lanes, mut reader) = (Lanes::new(&self.delivery), self.store().reader().await);
        let standing = reader.event_counts().await.map_err(|error| unavailable(&error))?;
        let parked = reader.parked().await.map_err(|error| unavailable(&error))?;
        let mut tenants = Vec::with_capacity(standing.len());
        for tenant in &standing {
            let waits = match tenant.waiting {
                0 => None,
                _ => self
                    .waits(&lanes, &mut **reader, &tenant.tenant)
                    .await
                    .map_err(|error| unavailable(&error))?,
            };
            tenants.push(shown(tenant, &parked, waits.as_ref()));
        }
        Ok(EventSummary { dispatcher: self.dispatcher(), tenants })
    }

    /// Returns why the waiting events under a name are held. Holds of other gateways at the same store are not included.
    async fn waits(
        &self,
        lanes: &Lanes,
        reader: &mut dyn Reader,
        name: &str,
    ) -> Result<Option<Waits>, StoreError> {
        Ok(match lanes.of(reader, name).await? {
            Some(lane) => self.delivery.status().hold(&lane).map(|hold| Waits::Held(lane, hold)),
            None => Some(Waits::NotInDocument),
        })
    }

    /// Returns the holds of replayed events, and requests a probe of their portals at once, except after a `Retry-After`.
    pub(super) async fn probe_now(&self, replayed: &Filter) -> Result<Vec<TenantHold>, StoreError> {
        let (lanes, mut reader) = (Lanes::new(&self.delivery), self.store().reader().await);
        let names: BTreeSet<String> = match (&replayed.tenant, replayed.uid) {
            (Some(tenant), _) => BTreeSet::from([tenant.clone()]),
            (None, Some(uid)) => {
                let one = Filter { uid: Some(uid), ..Filter::default() };
                reader.list(&one, 1).await?.into_iter().map(|listed| listed.tenant).collect()
            }
            (None, None) => reader.waiting().await?.into_iter().map(|lane| lane.tenant).collect(),
        };
        let mut holds = Vec::new();
        for name in names {
            let Some(waits) = self.waits(&lanes, &mut **reader, &name).await? else { continue };
            let (hold, mut asked_now) = (held(&waits), false);
            if let Waits::Held(lane, hold) = waits
                && hold.cause != Cause::RetryAfter
            {
                self.delivery.status().request_probe(lane);
                asked_now = true;
            }
            holds.push(TenantHold { hold, tenant: name, asked_now });
        }
        Ok(holds)
    }

    /// Returns whether this process delivers events.
    fn dispatcher(&self) -> DispatcherEntry {
        let beat = self.delivery.status().heartbeat();
        let (state, reason) = match (beat, self.delivery.status().unreadable()) {
            (_, Some(error)) => ("held", Some(format!("the store cannot be read: {error}"))),
            (None, None) => (
                "not_running",
                Some("another process delivers, or the key of the store is not available yet".to_owned()),
            ),
            (Some((_, Liveness::Stalled)), None) => ("stalled", Some("its round does not end".to_owned())),
            (Some((_, Liveness::Live)), None) if self.delivery.has_pending_results() => {
                ("held", Some("the store cannot record results of deliveries".to_owned()))
            }
            (Some((_, Liveness::Live)), None) => ("running", None),
        };
        DispatcherEntry { state: state.to_owned(), reason, heartbeat: beat.map(|(at, _)| time(at)) }
    }
}

// === impl Lanes ===

impl Lanes {
    fn new(delivery: &Delivery) -> Self {
        let tenants = delivery.tenants();
        Self { tenant_index: tenants.map(|tenants| TenantIndex::new(&tenants)) }
    }

    /// Returns the name of the tenant that receives the events under a name; `None` if its customer is not in the document.
    async fn of(&self, reader: &mut dyn Reader, name: &str) -> Result<Option<String>, StoreError> {
        let Some(tenant_index) = &self.tenant_index else { return Ok(Some(name.to_owned())) };
        if tenant_index.by_name(name).is_some() {
            return Ok(Some(name.to_owned()));
        }
        let owner = reader.owner(name).await?;
        Ok(match owner.map(|owner| owner.recipient(tenant_index)) {
            Some(Recipient::Tenant(tenant)) => Some(tenant.name.as_str().to_owned()),
            Some(Recipient::Absent | Recipient::OtherCustomer) => None,
            // The name's last event was delivered or deleted between the two reads.
            None => Some(name.to_owned()),
        })
    }
}

fn shown(tenant: &TenantEventCounts, parked: &[ParkedCount], waits: Option<&Waits>) -> TenantEvents {
    let parked_for = parked
        .iter()
        .filter(|parked| parked.tenant == tenant.tenant)
        .map(|parked| (parked.reason.clone(), parked.events))
        .collect();
    TenantEvents {
        tenant: tenant.tenant.clone(),
        waiting: tenant.waiting,
        parked: tenant.parked,
        dead: tenant.dead,
        delivered: tenant.delivered,
        oldest_age_s: tenant.oldest_age.map(|age| age / 1000),
        next_due: tenant.next_due.map(time),
        held: waits.map(held),
        parked_for,
    }
}

/// Converts the reason and the end of a hold.
fn held(waits: &Waits) -> HoldEntry {
    let hold = match waits {
        Waits::NotInDocument => {
            return HoldEntry { reason: "not_in_document".to_owned(), ..HoldEntry::default() };
        }
        Waits::Held(_, hold) => hold,
    };
    let (clock, instant) = (now(), Instant::now());
    let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let until = hold.until.and_then(|until| until.checked_duration_since(instant));
    let since = clock.saturating_sub(millis(instant.saturating_duration_since(hold.since)));
    HoldEntry {
        reason: hold.cause.name().to_owned(),
        since: Some(time(since)),
        // Absent while a probe is in flight.
        until: until.map(|ahead| time(clock.saturating_add(millis(ahead)))),
        error: (!hold.error.is_empty()).then(|| hold.error.to_string()),
    }
}
