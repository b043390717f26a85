//! How the events of each tenant stand, and what holds them.

use std::collections::BTreeSet;

use kyc_delivery::{Cause, Delivery, Hold, Liveness};
use kyc_events::{Filter, ParkedCount, Reader, Recipient, StoreError, TenantEventCounts, TenantIndex, now};
use tokio::time::Instant;

use super::pages::EventPages;
use super::parameters::{Refusal, away};
use super::shown::time;
use crate::api::event_messages::{DispatcherEntry, EventSummary, HoldEntry, TenantEvents, TenantHold};

/// Finds on whose lane the events under a name are.
struct Lanes {
    /// None while no document was loaded.
    tenant_index: Option<TenantIndex>,
}

/// What a tenant's waiting events wait for besides their time.
enum Waits {
    /// The lane, and what holds it.
    Held(String, Hold),
    /// Their customer is not in the tenant document.
    NotInDocument,
}

impl EventPages {
    /// Counts the events of each tenant, and says since when the oldest waits, when the next one is due, and what holds them.
    pub(super) async fn summary(&self) -> Result<EventSummary, Refusal> {
        let (lanes, mut reader) = (Lanes::new(&self.delivery), self.store().reader().await);
        let standing = reader.event_counts().await.map_err(|error| away(&error))?;
        let parked = reader.parked().await.map_err(|error| away(&error))?;
        let mut tenants = Vec::with_capacity(standing.len());
        for tenant in &standing {
            let waits = match tenant.waiting {
                0 => None,
                _ => self.waits(&lanes, &mut **reader, &tenant.tenant).await.map_err(|error| away(&error))?,
            };
            tenants.push(shown(tenant, &parked, waits.as_ref()));
        }
        Ok(EventSummary { dispatcher: self.dispatcher(), tenants })
    }

    /// What holds the waiting events under a name, as far as this gateway knows.
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

    /// Says what holds replayed events, and has their portals asked at once, unless they have asked for time themselves.
    pub(super) async fn ask_now(&self, replayed: &Filter) -> Result<Vec<TenantHold>, StoreError> {
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
                self.delivery.status().want(lane);
                asked_now = true;
            }
            holds.push(TenantHold { hold, tenant: name, asked_now });
        }
        Ok(holds)
    }

    /// Whether this process delivers.
    fn dispatcher(&self) -> DispatcherEntry {
        let beat = self.delivery.status().heartbeat();
        let (state, reason) = match (beat, self.delivery.status().unreadable()) {
            (_, Some(error)) => ("held", Some(format!("the store cannot be read: {error}"))),
            (None, None) => {
                ("not_running", Some("another process delivers, or the store waits for its key".to_owned()))
            }
            (Some((_, Liveness::Stalled)), None) => ("stalled", Some("it does not end a round".to_owned())),
            (Some((_, Liveness::Live)), None) if self.delivery.has_pending_results() => {
                ("held", Some("the store does not record results".to_owned()))
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

    /// The name of the tenant that gets the events under a name; none while its customer is not in the document.
    async fn of(&self, reader: &mut dyn Reader, name: &str) -> Result<Option<String>, StoreError> {
        let Some(tenant_index) = &self.tenant_index else { return Ok(Some(name.to_owned())) };
        if tenant_index.by_name(name).is_some() {
            return Ok(Some(name.to_owned()));
        }
        let owner = reader.owner(name).await?;
        Ok(match owner.map(|owner| owner.recipient(tenant_index)) {
            Some(Recipient::Tenant(tenant)) => Some(tenant.name.as_str().to_owned()),
            Some(Recipient::Absent | Recipient::OtherCustomer) => None,
            // The last one has ended meanwhile.
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

/// What holds events, and until when.
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
        // Absent while the portal is being asked.
        until: until.map(|ahead| time(clock.saturating_add(millis(ahead)))),
        error: (!hold.error.is_empty()).then(|| hold.error.to_string()),
    }
}
