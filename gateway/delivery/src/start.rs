//! Starts attempts: allocates slots to lanes with due events, claims their events in one query, and starts one attempt for
//! each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kyc_events::{Command, DueEvent, DueRequest, Millis, Recipient, StoreError, TenantIndex};
use tokio::time::Instant;

use crate::allocation::{Allocation, Due};
use crate::attempt::ClaimTime;
use crate::catch_panic::attempt_catching_panics;
use crate::dispatcher::Dispatcher;
use crate::lane::Lane;
use crate::scheduler::POLL_INTERVAL;
use crate::store_log::log_failed;

/// Events claimed from the store.
#[derive(Default)]
struct ClaimedEvents {
    /// By the tenant names they were received for.
    events: HashMap<String, Vec<DueEvent>>,
    /// Names whose events could not be read.
    unread: HashSet<String>,
    /// The last error.
    error: Option<StoreError>,
}

// === impl Dispatcher ===

impl Dispatcher {
    /// Starts the attempts that are due, and returns the time until the next one.
    pub(crate) async fn start_due_events(&mut self, clock: Millis) -> Result<Duration, StoreError> {
        let Some(tenants) = self.context.tenants.load() else { return Ok(POLL_INTERVAL) };
        if self.context.pending_results.is_any() {
            return Ok(POLL_INTERVAL);
        }
        let (tenant_index, is_new) = self.former_names.tenant_index(&tenants);
        let instant = Instant::now();
        if is_new {
            self.reset_changed_tenants(&tenant_index, instant);
        }
        self.apply_probe_requests(instant);
        self.bind_customers(&tenant_index).await?;
        self.unpark_returned_customers(&tenant_index).await?;
        let arrivals = self.context.commit_queue.take_arrivals();
        arrivals.tenants.iter().for_each(|name| self.scheduler.add_new_event(name, clock));
        if arrivals.has_other_changes {
            self.scheduler.mark_stale();
        }
        if self.scheduler.time_until_poll(instant).is_zero() {
            let waiting = self.reader.waiting().await?;
            self.scheduler.refresh(waiting, instant);
        }
        self.scheduler.queue_due_lanes(clock);
        self.probe_held_portals(&tenant_index, clock, instant);
        let begun = self.start_lanes(&tenant_index, clock, instant).await;
        let pause = self
            .scheduler
            .time_until_due(clock)
            .min(self.scheduler.time_until_poll(instant))
            .min(self.held.pause(instant));
        begun.map(|()| pause)
    }

    /// Allocates slots until none is free or no event is due. A lane that cannot be read does not block others; it is read
    /// again in a second.
    async fn start_lanes(
        &mut self,
        tenant_index: &TenantIndex,
        clock: Millis,
        instant: Instant,
    ) -> Result<(), StoreError> {
        let mut failed = Ok(());
        let claimed = ClaimTime { wall: clock, at: instant, is_probe: false };
        loop {
            let Allocation { lanes, probes, error } = self.allocate(tenant_index, claimed).await;
            failed = error.map_or(failed, Err);
            if lanes.is_empty() && probes.is_empty() {
                return failed;
            }
            let (lanes, wanted): (Vec<Due>, Vec<DueRequest>) = lanes.into_iter().unzip();
            let ClaimedEvents { mut events, unread, error } = self.take(&wanted, clock).await;
            failed = error.map_or(failed, Err);
            for (due, wanted) in lanes.iter().zip(&wanted) {
                if unread.contains(&*due.name) {
                    self.scheduler.back_off(&due.name, clock);
                    continue;
                }
                let events = events.remove(&*due.name).unwrap_or_default();
                // The query returns up to the limit, so fewer events mean that no more are due.
                let is_all = events.len() < wanted.limit;
                self.rotate_names(due, !events.is_empty());
                for event in events {
                    self.begin(tenant_index, due, event, claimed);
                }
                if is_all && self.passed_over.contains_key(&due.name) {
                    // The skipped events are still due; the lanes that have no slot for them queue this name again.
                } else if is_all && wanted.retries {
                    self.scheduler.remove_due(&due.name, clock);
                } else if is_all {
                    self.scheduler.wait_for_retry_slot(&due.name);
                } else if self.could_start_more(due, instant) {
                    self.scheduler.wait_for_slot(&due.name);
                }
            }
            for due in probes {
                if let Err(error) = self.start_probe(tenant_index, &due, claimed).await {
                    failed = Err(error);
                    self.scheduler.back_off(&due.name, clock);
                }
            }
        }
    }

    /// Claims the first due events of all lanes in one query. When that fails because of one unreadable row, each lane is
    /// read alone, but not when the store is unavailable or slow.
    async fn take(&mut self, wanted: &[DueRequest], clock: Millis) -> ClaimedEvents {
        let mut claimed_events = ClaimedEvents::default();
        if wanted.is_empty() {
            return claimed_events;
        }
        let except = self.except(wanted);
        match self.reader.due_of(wanted, clock, &except).await {
            Ok(events) => {
                claimed_events.add(events);
                return claimed_events;
            }
            Err(error) => claimed_events.error = Some(error),
        }
        let begun = Instant::now();
        for one in wanted {
            let is_away =
                matches!(claimed_events.error, Some(StoreError::Unavailable)) || begun.elapsed() > MAX_SEARCH;
            let skip_single_reads = wanted.len() == 1 || is_away;
            let found = if skip_single_reads {
                None
            } else {
                Some(self.reader.due_of(std::slice::from_ref(one), clock, &except).await)
            };
            match found {
                Some(Ok(events)) => {
                    claimed_events.add(events);
                    continue;
                }
                Some(Err(error)) => claimed_events.error = Some(error),
                None => {}
            }
            claimed_events.unread.insert(one.tenant.clone());
        }
        claimed_events
    }

    /// Sends one event of a held lane as a probe. Prefers an event without attempts, since one that has failed before is
    /// likely to fail again.
    async fn start_probe(
        &mut self,
        tenant_index: &TenantIndex,
        due: &Due,
        claimed: ClaimTime,
    ) -> Result<(), StoreError> {
        let wanted = [DueRequest { tenant: (*due.name).to_owned(), limit: 1, retries: true }];
        let except = self.except(&wanted);
        let mut events = self.reader.newest_untried(&due.name, claimed.wall, &except).await?;
        if events.is_empty() {
            events = self.reader.due_of(&wanted, claimed.wall, &except).await?;
        }
        if events.is_empty() {
            self.scheduler.remove_due(&due.name, claimed.wall);
        }
        for event in events {
            self.begin(tenant_index, due, event, ClaimTime { is_probe: true, ..claimed });
        }
        Ok(())
    }

    /// Row ids to exclude from the query: in flight or skipped, while the store still lists them as due.
    fn except(&self, wanted: &[DueRequest]) -> Vec<i64> {
        let under_way = wanted.iter().filter_map(|wanted| self.under_way.get(&wanted.tenant));
        let passed_over = wanted.iter().filter_map(|wanted| self.passed_over.get(wanted.tenant.as_str()));
        under_way.chain(passed_over).flatten().map(|claim| claim.id).collect()
    }

    /// Rotates the names of a tenant after events of one were started, so that all names are served in turn.
    fn rotate_names(&mut self, due: &Due, has_begun: bool) {
        if has_begun && let Some(lane) = self.lanes.get_mut(due.tenant.name.as_str()) {
            lane.rotate_names(&due.name);
        }
    }

    /// Starts an attempt in the lane of the event's customer. When the customer was renamed and its lane has no free slot,
    /// the event is skipped: this keeps the limit and the hold of that lane, and does not block the events behind it.
    fn begin(&mut self, tenant_index: &TenantIndex, due: &Due, event: DueEvent, claimed: ClaimTime) {
        let (lane, recipient) = match event.owner.recipient(tenant_index) {
            Recipient::Tenant(tenant) => (Arc::clone(&tenant), Some(tenant)),
            Recipient::Absent | Recipient::OtherCustomer => (Arc::clone(&due.tenant), None),
        };
        let (name, entry) = (lane.name.as_str().to_owned(), lane.fingerprint);
        if lane.name != due.tenant.name && !self.has_room(&lane, claimed.at) {
            self.lanes.entry(name).or_insert_with(Lane::new).add_name(&due.name);
            self.passed_over.entry(Arc::clone(&due.name)).or_default().insert(event.claim);
            let (commit_queue, release) =
                (self.context.commit_queue.clone(), Command::Release(vec![event.claim]));
            self.tasks.spawn(async move { log_failed(commit_queue.submit(release).await) });
            return;
        }
        self.under_way.entry(event.owner.tenant.clone()).or_default().insert(event.claim);
        let lane = self.lanes.entry(name.clone()).or_insert_with(Lane::new);
        let is_retry = event.attempts > 0;
        lane.begin(event.claim, is_retry);
        self.slots.begin(1, is_retry);
        lane.add_name(&due.name);
        lane.set_entry(entry);
        self.show(&name);
        let (context, finished) = (self.context.clone(), self.finished.clone());
        self.tasks.spawn(async move {
            let result = attempt_catching_panics(context, name, recipient, event, claimed).await;
            // The dispatcher outlives its attempts; without it the result is not needed.
            let _ = finished.send(result).await;
        });
    }
}

// === impl ClaimedEvents ===

impl ClaimedEvents {
    fn add(&mut self, events: Vec<DueEvent>) {
        for event in events {
            self.events.entry(event.owner.tenant.clone()).or_default().push(event);
        }
    }
}

/// Time limit for reading lanes one by one after the query for all of them has failed.
const MAX_SEARCH: Duration = Duration::from_secs(2);
