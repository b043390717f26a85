//! What begins now: the lanes of which something is due get places, their events are taken from the store in one step, and
//! each goes to its portal.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kyc_model::Tenant;
use tokio::time::Instant;

use super::Dispatcher;
use super::agenda::LOOK;
use super::attempt::Claimed;
use super::breaker::Allowed;
use super::lane::Lane;
use super::panicked::attempt_or_note;
use crate::store::{Directory, DueEvent, Millis, Recipient, StoreError, Wanted};

/// A name with events that are due, and the tenant on whose lane they go.
struct Due {
    name: Arc<str>,
    tenant: Arc<Tenant>,
}

/// What may begin.
#[derive(Default)]
struct Allotted {
    /// Lanes, with what each may take.
    lanes: Vec<(Due, Wanted)>,
    /// Held lanes that may try one event.
    probes: Vec<Due>,
}

// === impl Dispatcher ===

impl Dispatcher {
    /// Begins what is due, and says how long nothing else will be.
    pub(super) async fn begin_due(&mut self, clock: Millis) -> Result<Duration, StoreError> {
        let Some(tenants) = (self.means.tenants)() else { return Ok(LOOK) };
        if self.means.unrecorded.is_any() {
            return Ok(LOOK);
        }
        let (directory, is_new) = self.former_names.directory(&tenants);
        let instant = Instant::now();
        if is_new {
            self.heed_changed_entries(&directory, instant);
        }
        self.heed_operators(instant);
        self.bind_customers(&directory).await?;
        self.take_up_parked(&directory).await?;
        let news = self.means.inbox.take_news();
        news.tenants.iter().for_each(|name| self.agenda.note(name, clock));
        if news.is_more {
            self.agenda.outdate();
        }
        if self.agenda.good_for(instant).is_zero() {
            let waiting = self.reader.waiting().await?;
            self.agenda.refresh(waiting, instant);
        }
        self.agenda.advance(clock);
        self.ask_held_portals(&directory, clock, instant);
        let begun = self.begin_lanes(&directory, clock, instant).await;
        if begun.is_err() {
            // Lanes that were taken up and not begun are found by the next look.
            self.agenda.distrust();
        }
        let pause = self.agenda.pause(clock).min(self.agenda.good_for(instant)).min(self.held.pause(instant));
        begun.map(|()| pause)
    }

    /// Gives places to lanes until there are none left, or nothing is due any more.
    async fn begin_lanes(
        &mut self,
        directory: &Directory,
        clock: Millis,
        instant: Instant,
    ) -> Result<(), StoreError> {
        let mut failed = Ok(());
        let claimed = Claimed { wall: clock, at: instant, is_probe: false };
        loop {
            let Allotted { lanes, probes } = self.allot(directory, instant).await?;
            if lanes.is_empty() && probes.is_empty() {
                return failed;
            }
            for due in probes {
                self.begin_probe(directory, &due, claimed).await?;
            }
            let (lanes, wanted): (Vec<Due>, Vec<Wanted>) = lanes.into_iter().unzip();
            let (mut found, error) = self.take(&wanted, clock).await;
            if let Some(error) = error {
                failed = Err(error);
            }
            for (due, wanted) in lanes.iter().zip(&wanted) {
                let events = found.remove(&*due.name).unwrap_or_default();
                let is_all = events.len() < wanted.limit;
                for event in events {
                    self.begin(directory, &due.tenant, event, claimed);
                }
                if is_all {
                    self.agenda.is_done(&due.name, clock);
                } else if self.has_room(&due.tenant, instant) {
                    self.agenda.wants_place(&due.name);
                }
            }
        }
    }

    /// Decides which of the lanes of which something has changed may begin how much.
    async fn allot(&mut self, directory: &Directory, instant: Instant) -> Result<Allotted, StoreError> {
        let mut allotted = Allotted::default();
        let mut places = self.places;
        let (mut seen, mut again) = (HashSet::new(), Vec::new());
        loop {
            let free = places.free(&self.means.config);
            let starved = if free > 0 { self.agenda.next_starved() } else { None };
            let Some(name) = starved.or_else(|| self.agenda.next_changed()) else { break };
            // Events of a customer that is gone stay where they are, and are never sent elsewhere.
            let Some(tenant) = self.lane_tenant(directory, &name).await? else { continue };
            if !seen.insert(tenant.name.clone()) {
                // The lane has events under a former name, too, which come behind the others.
                again.push(name);
                continue;
            }
            let config = &self.means.config;
            let lane = self.lanes.entry(tenant.name.as_str().to_owned()).or_insert_with(Lane::new);
            let room = lane.room(config.in_flight, free, instant);
            match lane.breaker.allows(instant) {
                Allowed::All if room > 0 => {
                    let retry_room = places.free_for_retries(config).max(lane.reserved());
                    let retries = retry_room > 0;
                    let limit = if retries { room.min(retry_room) } else { room };
                    places.begin(limit, retries);
                    let wanted = Wanted { tenant: (*name).to_owned(), limit, retries };
                    allotted.lanes.push((Due { name, tenant }, wanted));
                }
                Allowed::All if lane.room(config.in_flight, usize::MAX, instant) > 0 => again.push(name),
                Allowed::Probe if room > 0 => {
                    places.begin(1, true);
                    allotted.probes.push(Due { name, tenant });
                }
                Allowed::Login => self.held.look_at(tenant.name.as_str(), instant),
                Allowed::All | Allowed::Probe | Allowed::NotBefore(_) | Allowed::Nothing => {}
            }
        }
        for name in again {
            self.agenda.wants_place(&name);
        }
        Ok(allotted)
    }

    /// Takes the first events that are due, by the names they were received for, and says what has failed. A lane that
    /// cannot be read must not keep the others from theirs.
    async fn take(
        &mut self,
        wanted: &[Wanted],
        clock: Millis,
    ) -> (HashMap<String, Vec<DueEvent>>, Option<StoreError>) {
        let mut found: HashMap<String, Vec<DueEvent>> = HashMap::new();
        if wanted.is_empty() {
            return (found, None);
        }
        let mut note = |events: Vec<DueEvent>| {
            for event in events {
                found.entry(event.owner.tenant.clone()).or_default().push(event);
            }
        };
        let except = self.except(wanted);
        let mut failed = match self.reader.due_of(wanted, clock, &except).await {
            Ok(events) => {
                note(events);
                None
            }
            Err(error) => Some(error),
        };
        let is_readable = !matches!(failed, Some(StoreError::Away));
        if failed.is_some() && wanted.len() > 1 && is_readable {
            let mut failures = 0;
            for one in wanted.chunks(1) {
                match self.reader.due_of(one, clock, &except).await {
                    Ok(events) => {
                        failures = 0;
                        note(events);
                    }
                    Err(error) => {
                        failures += 1;
                        failed = Some(error);
                    }
                }
                if failures == FAILURES {
                    break;
                }
            }
        }
        (found, failed)
    }

    /// Tries one event of a lane that is held, a new one if there is any: one that has failed before mostly fails again.
    async fn begin_probe(
        &mut self,
        directory: &Directory,
        due: &Due,
        claimed: Claimed,
    ) -> Result<(), StoreError> {
        let wanted = [Wanted { tenant: (*due.name).to_owned(), limit: 1, retries: true }];
        let except = self.except(&wanted);
        let mut events = self.reader.newest_untried(&due.name, claimed.wall, &except).await?;
        if events.is_empty() {
            events = self.reader.due_of(&wanted, claimed.wall, &except).await?;
        }
        if events.is_empty() {
            self.agenda.is_done(&due.name, claimed.wall);
        }
        for event in events {
            self.begin(directory, &due.tenant, event, Claimed { is_probe: true, ..claimed });
        }
        Ok(())
    }

    /// What is under way of these lanes, and still due as the store knows it.
    fn except(&self, wanted: &[Wanted]) -> Vec<i64> {
        let under_way = wanted.iter().filter_map(|wanted| self.under_way.get(&wanted.tenant));
        under_way.flatten().map(|claim| claim.id).collect()
    }

    fn has_room(&self, tenant: &Tenant, instant: Instant) -> bool {
        let lane = self.lanes.get(tenant.name.as_str());
        lane.is_some_and(|lane| lane.room(self.means.config.in_flight, usize::MAX, instant) > 0)
    }

    /// Sends an event to its customer's portal, on the lane of that tenant.
    fn begin(&mut self, directory: &Directory, lane: &Arc<Tenant>, event: DueEvent, claimed: Claimed) {
        let (lane, recipient) = match event.owner.recipient(directory) {
            Recipient::Tenant(tenant) => (Arc::clone(&tenant), Some(tenant)),
            Recipient::Absent | Recipient::Another => (Arc::clone(lane), None),
        };
        let (name, entry) = (lane.name.as_str().to_owned(), lane.fingerprint);
        self.under_way.entry(event.owner.tenant.clone()).or_default().insert(event.claim);
        let lane = self.lanes.entry(name.clone()).or_insert_with(Lane::new);
        let is_retry = event.attempts > 0;
        lane.begin(event.claim, is_retry);
        self.places.begin(1, is_retry);
        lane.names.insert(event.owner.tenant.clone());
        lane.has_entry(entry);
        self.show(&name);
        let (means, finished) = (self.means.clone(), self.finished.clone());
        self.tasks.spawn(async move {
            let result = attempt_or_note(means, name, recipient, event, claimed).await;
            // The dispatcher outlives its attempts; without it nobody counts.
            let _ = finished.send(result).await;
        });
    }
}

/// A store that answers so many lanes in a row with errors is not asked for the others.
const FAILURES: u32 = 3;
