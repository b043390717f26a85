//! Allocates free delivery slots to lanes; the lane that has waited longest comes first.

use std::collections::HashSet;
use std::sync::Arc;

use kyc_events::{DueRequest, StoreError, TenantIndex};
use kyc_model::Tenant;
use tokio::time::Instant;

use crate::attempt::ClaimTime;
use crate::breaker::Allowed;
use crate::dispatcher::Dispatcher;
use crate::lane::Lane;
use crate::slots::Slots;

/// A tenant name with due events, and the tenant in whose lane they are sent.
pub(crate) struct Due {
    pub(crate) name: Arc<str>,
    pub(crate) tenant: Arc<Tenant>,
}

/// What each lane may start.
#[derive(Default)]
pub(crate) struct Allocation {
    /// Lanes, with the number of events each may start.
    pub(crate) lanes: Vec<(Due, DueRequest)>,
    /// Held lanes that may send one event as a probe.
    pub(crate) probes: Vec<Due>,
    /// Why the tenant of a name could not be read.
    pub(crate) error: Option<StoreError>,
}

// === impl Dispatcher ===

impl Dispatcher {
    /// Decides how many events each changed lane may start.
    pub(crate) async fn allocate(&mut self, tenant_index: &TenantIndex, claimed: ClaimTime) -> Allocation {
        let ClaimTime { wall: clock, at: instant, .. } = claimed;
        let mut allocation = Allocation::default();
        // A copy for planning: only the attempts that start take slots of the dispatcher.
        let mut slots = self.slots;
        let (mut seen, mut starved, mut second) = (HashSet::new(), Vec::new(), Vec::new());
        while let Some(name) = self.next_lane(slots) {
            // Events of a removed customer stay in the store and are never sent to another one.
            let tenant = match self.lane_tenant(tenant_index, &name).await {
                Ok(Some(tenant)) => tenant,
                Ok(None) => continue,
                Err(error) => {
                    allocation.error = Some(error);
                    self.scheduler.back_off(&name, clock);
                    continue;
                }
            };
            if !seen.insert(tenant.name.clone()) {
                // The lane also has events under another name; these get the remaining slots in the next round.
                second.push(name);
                continue;
            }
            let lane = self.lanes.entry(tenant.name.as_str().to_owned()).or_insert_with(Lane::new);
            lane.add_name(&name);
            let (allowed, reserved) = (lane.breaker.allows(instant), lane.reserved());
            let config = &self.context.config;
            let room = lane.room(config.in_flight, slots.free(config), instant);
            let due = Due { name, tenant };
            match allowed {
                Allowed::All if room > 0 => {
                    let retry_room = slots.free_for_retries(config).max(reserved);
                    let retries = retry_room > 0;
                    if !retries && self.scheduler.has_only_retries(&due.name) {
                        self.scheduler.wait_for_retry_slot(&due.name);
                        continue;
                    }
                    let limit = if retries { room.min(retry_room) } else { room };
                    slots.begin(limit, retries);
                    let wanted = DueRequest { tenant: (*due.name).to_owned(), limit, retries };
                    allocation.lanes.push((due, wanted));
                }
                Allowed::All if self.could_start_more(&due, instant) => starved.push(due.name),
                Allowed::Probe if room > 0 => {
                    slots.begin(1, true);
                    allocation.probes.push(due);
                }
                Allowed::Login => self.held.make_due(due.tenant.name.as_str(), instant),
                Allowed::All | Allowed::Probe | Allowed::NotBefore(_) | Allowed::Nothing => {}
            }
        }
        starved.iter().for_each(|name| self.scheduler.wait_for_slot(name));
        second.iter().for_each(|name| self.scheduler.requeue(name));
        allocation
    }

    /// Returns the next lane to process. While slots are free, lanes that wait for one come first.
    fn next_lane(&mut self, slots: Slots) -> Option<Arc<str>> {
        let config = &self.context.config;
        let is_free = slots.free(config) > 0;
        let starved = if is_free { self.scheduler.next_starved() } else { None };
        let is_free_for_retries = is_free && slots.free_for_retries(config) > 0;
        let waited =
            starved.or_else(|| if is_free_for_retries { self.scheduler.next_retrying() } else { None });
        waited.or_else(|| self.scheduler.next_changed())
    }

    /// Returns whether more events of a name could start if a slot were free.
    pub(crate) fn could_start_more(&self, due: &Due, instant: Instant) -> bool {
        let is_searched =
            self.passed_over.get(&due.name).is_some_and(|events| events.len() >= MAX_PASSED_OVER);
        !is_searched && self.has_room(&due.tenant, instant)
    }

    /// Returns whether a lane is below its own limit, regardless of the total.
    pub(crate) fn has_room(&self, tenant: &Tenant, instant: Instant) -> bool {
        let lane = self.lanes.get(tenant.name.as_str());
        lane.is_none_or(|lane| lane.room(self.context.config.in_flight, usize::MAX, instant) > 0)
    }
}

/// Limit of skipped events per name; when it is reached, later events of that name wait too.
const MAX_PASSED_OVER: usize = 200;
