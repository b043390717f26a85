//! Which lanes may begin how much: the places that there are go to the lanes that have waited longest for them.

use std::collections::HashSet;
use std::sync::Arc;

use kyc_model::Tenant;
use tokio::time::Instant;

use super::Dispatcher;
use super::attempt::Claimed;
use super::breaker::Allowed;
use super::lane::Lane;
use super::places::Places;
use crate::store::{Directory, StoreError, Wanted};

/// A name with events that are due, and the tenant on whose lane they go.
pub(super) struct Due {
    pub(super) name: Arc<str>,
    pub(super) tenant: Arc<Tenant>,
}

/// What may begin.
#[derive(Default)]
pub(super) struct Allotted {
    /// Lanes, with what each may take.
    pub(super) lanes: Vec<(Due, Wanted)>,
    /// Held lanes that may try one event.
    pub(super) probes: Vec<Due>,
    /// Why the lane of a name is not known.
    pub(super) error: Option<StoreError>,
}

// === impl Dispatcher ===

impl Dispatcher {
    /// Decides which of the lanes of which something has changed may begin how much.
    pub(super) async fn allot(&mut self, directory: &Directory, claimed: Claimed, allotted: &mut Allotted) {
        let Claimed { wall: clock, at: instant, .. } = claimed;
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
            let due = Due { name, tenant };
            let room = self.room(&due, places.free(&self.means.config), instant);
            match allowed {
                Allowed::All if room > 0 => {
                    let retry_room = places.free_for_retries(&self.means.config).max(reserved);
                    let retries = retry_room > 0;
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
    }

    /// The next lane to look at: while there are places, those that have waited for them come first.
    fn next_lane(&mut self, places: Places) -> Option<Arc<str>> {
        let config = &self.means.config;
        let is_free = places.free(config) > 0;
        let starved = if is_free { self.agenda.next_starved() } else { None };
        let is_free_for_retries = is_free && places.free_for_retries(config) > 0;
        let waited = starved.or_else(|| if is_free_for_retries { self.agenda.next_retrying() } else { None });
        waited.or_else(|| self.agenda.next_changed())
    }

    /// How many events of a name may begin now, of `free` for all. Where the last ones belonged to a customer with another
    /// name now, its lane must have room as well; one at a time goes on in any case, so that it blocks nobody.
    fn room(&self, due: &Due, free: usize, instant: Instant) -> usize {
        let (own, elsewhere) = self.rooms(due, free, instant);
        own.min(elsewhere.max(1))
    }

    /// Says whether more events of a name could begin if there were places for them.
    pub(super) fn could_begin(&self, due: &Due, instant: Instant) -> bool {
        let (own, elsewhere) = self.rooms(due, usize::MAX, instant);
        own.min(elsewhere) > 0
    }

    /// The rooms of the lane of a name, and of the one that its last events went on.
    fn rooms(&self, due: &Due, free: usize, instant: Instant) -> (usize, usize) {
        let room = |lane: &Lane| lane.room(self.means.config.in_flight, free, instant);
        let own = self.lanes.get(due.tenant.name.as_str()).map_or(0, room);
        let elsewhere = self.elsewhere.get(&*due.name).and_then(|lane| self.lanes.get(lane));
        (own, elsewhere.map_or(usize::MAX, room))
    }
}
