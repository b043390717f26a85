//! What begins now: the lanes of which something is due get places, their events are taken from the store in one step, and
//! each goes to its portal.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kyc_events::{Change, Directory, DueEvent, Millis, Recipient, StoreError, Wanted};
use tokio::time::Instant;

use crate::agenda::POLL_INTERVAL;
use crate::allot::{Allotted, Due};
use crate::attempt::Claimed;
use crate::dispatcher::Dispatcher;
use crate::lane::Lane;
use crate::panicked::attempt_or_note;
use crate::store_log::log_failed;

/// What was taken from the store.
#[derive(Default)]
struct Taken {
    /// By the names that they were received for.
    events: HashMap<String, Vec<DueEvent>>,
    /// Names whose events could not be read.
    unread: HashSet<String>,
    /// Why not.
    error: Option<StoreError>,
}

// === impl Dispatcher ===

impl Dispatcher {
    /// Begins what is due, and says how long nothing else will be.
    pub(crate) async fn begin_due(&mut self, clock: Millis) -> Result<Duration, StoreError> {
        let Some(tenants) = (self.context.tenants)() else { return Ok(POLL_INTERVAL) };
        if self.context.unrecorded.is_any() {
            return Ok(POLL_INTERVAL);
        }
        let (directory, is_new) = self.former_names.directory(&tenants);
        let instant = Instant::now();
        if is_new {
            self.heed_changed_entries(&directory, instant);
        }
        self.heed_operators(instant);
        self.bind_customers(&directory).await?;
        self.take_up_parked(&directory).await?;
        let news = self.context.inbox.take_news();
        news.tenants.iter().for_each(|name| self.agenda.note_arrival(name, clock));
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
        let pause = self.agenda.pause(clock).min(self.agenda.good_for(instant)).min(self.held.pause(instant));
        begun.map(|()| pause)
    }

    /// Gives places to lanes until there are none left, or nothing is due any more. A lane that cannot be read keeps no
    /// other one from its events, and is looked at again in a second.
    async fn begin_lanes(
        &mut self,
        directory: &Directory,
        clock: Millis,
        instant: Instant,
    ) -> Result<(), StoreError> {
        let mut failed = Ok(());
        let claimed = Claimed { wall: clock, at: instant, is_probe: false };
        loop {
            let Allotted { lanes, probes, error } = self.allot(directory, claimed).await;
            failed = error.map_or(failed, Err);
            if lanes.is_empty() && probes.is_empty() {
                return failed;
            }
            let (lanes, wanted): (Vec<Due>, Vec<Wanted>) = lanes.into_iter().unzip();
            let Taken { mut events, unread, error } = self.take(&wanted, clock).await;
            failed = error.map_or(failed, Err);
            for (due, wanted) in lanes.iter().zip(&wanted) {
                if unread.contains(&*due.name) {
                    self.agenda.postpone(&due.name, clock);
                    continue;
                }
                let events = events.remove(&*due.name).unwrap_or_default();
                let is_all = events.len() < wanted.limit;
                self.had_turn(due, !events.is_empty());
                for event in events {
                    self.begin(directory, due, event, claimed);
                }
                if is_all && self.passed_over.contains_key(&due.name) {
                    // They are still due: the lanes that have no room for them bring them up.
                } else if is_all && wanted.retries {
                    self.agenda.note_done(&due.name, clock);
                } else if is_all {
                    self.agenda.wants_retry_place(&due.name);
                } else if self.could_begin(due, instant) {
                    self.agenda.wants_place(&due.name);
                }
            }
            for due in probes {
                if let Err(error) = self.begin_probe(directory, &due, claimed).await {
                    failed = Err(error);
                    self.agenda.postpone(&due.name, clock);
                }
            }
        }
    }

    /// Takes the first events that are due from the store. Where one of the lanes has a row that cannot be read, each is
    /// asked for alone; a store that is away, or answers slowly, is not asked for all of them.
    async fn take(&mut self, wanted: &[Wanted], clock: Millis) -> Taken {
        let mut taken = Taken::default();
        if wanted.is_empty() {
            return taken;
        }
        let except = self.except(wanted);
        match self.reader.due_of(wanted, clock, &except).await {
            Ok(events) => {
                taken.note(events);
                return taken;
            }
            Err(error) => taken.error = Some(error),
        }
        let begun = Instant::now();
        for one in wanted {
            let is_away = matches!(taken.error, Some(StoreError::Away)) || begun.elapsed() > MAX_SEARCH;
            let is_hopeless = wanted.len() == 1 || is_away;
            let found = if is_hopeless {
                None
            } else {
                Some(self.reader.due_of(std::slice::from_ref(one), clock, &except).await)
            };
            match found {
                Some(Ok(events)) => {
                    taken.note(events);
                    continue;
                }
                Some(Err(error)) => taken.error = Some(error),
                None => {}
            }
            taken.unread.insert(one.tenant.clone());
        }
        taken
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
            self.agenda.note_done(&due.name, claimed.wall);
        }
        for event in events {
            self.begin(directory, due, event, Claimed { is_probe: true, ..claimed });
        }
        Ok(())
    }

    /// What is under way of these lanes, and still due as the store knows it.
    fn except(&self, wanted: &[Wanted]) -> Vec<i64> {
        let under_way = wanted.iter().filter_map(|wanted| self.under_way.get(&wanted.tenant));
        let passed_over = wanted.iter().filter_map(|wanted| self.passed_over.get(wanted.tenant.as_str()));
        under_way.chain(passed_over).flatten().map(|claim| claim.id).collect()
    }

    /// Lets the other names of a tenant be first, where events of one have had their turn.
    fn had_turn(&mut self, due: &Due, has_begun: bool) {
        if has_begun && let Some(lane) = self.lanes.get_mut(due.tenant.name.as_str()) {
            lane.had_turn(&due.name);
        }
    }

    /// Sends an event to its customer's portal, on the lane of that tenant. An event of a customer that has another name now
    /// is passed over while his lane has no room, so that neither his limit nor a hold of his portal is gone around, and those
    /// behind it are not blocked.
    fn begin(&mut self, directory: &Directory, due: &Due, event: DueEvent, claimed: Claimed) {
        let (lane, recipient) = match event.owner.recipient(directory) {
            Recipient::Tenant(tenant) => (Arc::clone(&tenant), Some(tenant)),
            Recipient::Absent | Recipient::Another => (Arc::clone(&due.tenant), None),
        };
        let (name, entry) = (lane.name.as_str().to_owned(), lane.fingerprint);
        if lane.name != due.tenant.name && !self.has_room(&lane, claimed.at) {
            self.lanes.entry(name).or_insert_with(Lane::new).has_name(&due.name);
            self.passed_over.entry(Arc::clone(&due.name)).or_default().insert(event.claim);
            let (inbox, release) = (self.context.inbox.clone(), Change::Release(vec![event.claim]));
            self.tasks.spawn(async move { log_failed(inbox.change(release).await) });
            return;
        }
        self.under_way.entry(event.owner.tenant.clone()).or_default().insert(event.claim);
        let lane = self.lanes.entry(name.clone()).or_insert_with(Lane::new);
        let is_retry = event.attempts > 0;
        lane.begin(event.claim, is_retry);
        self.places.begin(1, is_retry);
        lane.has_name(&due.name);
        lane.has_entry(entry);
        self.show(&name);
        let (context, finished) = (self.context.clone(), self.finished.clone());
        self.tasks.spawn(async move {
            let result = attempt_or_note(context, name, recipient, event, claimed).await;
            // The dispatcher outlives its attempts; without it nobody counts.
            let _ = finished.send(result).await;
        });
    }
}

// === impl Taken ===

impl Taken {
    fn note(&mut self, events: Vec<DueEvent>) {
        for event in events {
            self.events.entry(event.owner.tenant.clone()).or_default().push(event);
        }
    }
}

/// How long lanes are asked for one by one where asking for all of them has failed.
const MAX_SEARCH: Duration = Duration::from_secs(2);
