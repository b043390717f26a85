//! Which lanes may begin how much: the places that there are go to the lanes that have waited longest for them.

use std::collections::HashSet;
use std::sync::Arc;

use kyc_events::{Directory, StoreError, Wanted};
use kyc_model::Tenant;
use tokio::time::Instant;

use crate::attempt::Claimed;
use crate::breaker::Allowed;
use crate::dispatcher::Dispatcher;
use crate::lane::Lane;
use crate::places::Places;

/// A name with events that are due, and the tenant on whose lane they go.
pub(crate) struct Due {
    pub(crate) name: Arc<str>,
    pub(crate) tenant: Arc<Tenant>,
}

/// What may begin.
#[derive(Default)]
pub(crate) struct Allotted {
    /// Lanes, with what each may take.
    pub(crate) lanes: Vec<(Due, Wanted)>,
    /// Held lanes that may try one event.
    pub(crate) probes: Vec<Due>,
    /// Why the lane of a name is not known.
    pub(crate) error: Option<StoreError>,
}

// === impl Dispatcher ===

impl Dispatcher {
    /// Decides which of the lanes of which something has changed may begin how much.
    pub(crate) async fn allot(&mut self, directory: &Directory, claimed: Claimed) -> Allotted {
        let Claimed { wall: clock, at: instant, .. } = claimed;
        let mut allotted = Allotted::default();
        let mut places = self.places;
        let (mut seen, mut starved, mut second) = (HashSet::new(), Vec::new(), Vec::new());
        while let Some(name) = self.next_lane(places) {
            // Events of a customer that is gone stay where they are, and are never sent elsewhere.
            let tenant = match self.lane_tenant(directory, &name).await {
                Ok(Some(tenant)) => tenant,
                Ok(None) => continue,
                Err(error) => {
                    allotted.error = Some(error);
                    self.agenda.postpone(&name, clock);
                    continue;
                }
            };
            if !seen.insert(tenant.name.clone()) {
                // The lane has events under another name, too: what is left of its room is theirs in the next round.
                second.push(name);
                continue;
            }
            let lane = self.lanes.entry(tenant.name.as_str().to_owned()).or_insert_with(Lane::new);
            lane.has_name(&name);
            let (allowed, reserved) = (lane.breaker.allows(instant), lane.reserved());
            let config = &self.context.config;
            let room = lane.room(config.in_flight, places.free(config), instant);
            let due = Due { name, tenant };
            match allowed {
                Allowed::All if room > 0 => {
                    let retry_room = places.free_for_retries(config).max(reserved);
                    let retries = retry_room > 0;
                    if !retries && self.agenda.has_only_retries(&due.name) {
                        self.agenda.wants_retry_place(&due.name);
                        continue;
                    }
                    let limit = if retries { room.min(retry_room) } else { room };
                    places.begin(limit, retries);
                    let wanted = Wanted { tenant: (*due.name).to_owned(), limit, retries };
                    allotted.lanes.push((due, wanted));
                }
                Allowed::All if self.could_begin(&due, instant) => starved.push(due.name),
                Allowed::Probe if room > 0 => {
                    places.begin(1, true);
                    allotted.probes.push(due);
                }
                Allowed::Login => self.held.look_at(due.tenant.name.as_str(), instant),
                Allowed::All | Allowed::Probe | Allowed::NotBefore(_) | Allowed::Nothing => {}
            }
        }
        starved.iter().for_each(|name| self.agenda.wants_place(name));
        second.iter().for_each(|name| self.agenda.look_again(name));
        allotted
    }

    /// The next lane to look at: while there are places, those that have waited for them come first.
    fn next_lane(&mut self, places: Places) -> Option<Arc<str>> {
        let config = &self.context.config;
        let is_free = places.free(config) > 0;
        let starved = if is_free { self.agenda.next_starved() } else { None };
        let is_free_for_retries = is_free && places.free_for_retries(config) > 0;
        let waited = starved.or_else(|| if is_free_for_retries { self.agenda.next_retrying() } else { None });
        waited.or_else(|| self.agenda.next_changed())
    }

    /// Says whether more events of a name could begin if there were places for them.
    pub(crate) fn could_begin(&self, due: &Due, instant: Instant) -> bool {
        let is_searched =
            self.passed_over.get(&due.name).is_some_and(|events| events.len() >= MAX_PASSED_OVER);
        !is_searched && self.has_room(&due.tenant, instant)
    }

    /// Says whether a lane has room, whatever others have.
    pub(crate) fn has_room(&self, tenant: &Tenant, instant: Instant) -> bool {
        let lane = self.lanes.get(tenant.name.as_str());
        lane.is_none_or(|lane| lane.room(self.context.config.in_flight, usize::MAX, instant) > 0)
    }
}

/// Events under one name that may be passed over; those behind them wait with them.
const MAX_PASSED_OVER: usize = 200;
