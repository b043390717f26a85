//! Login probes: whether a portal that did not answer, or refused the account, lets it in again.
//!
//! A probe is no try: it sends no event, costs an event nothing, and takes no place of a delivery. It ends after
//! [`LONGEST`], while a try may take `delivery.attempt`. Its session is used by the delivery that follows.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kyc_events::{Directory, Millis};
use rand::RngExt;
use tokio::time::{Instant, sleep};

use crate::agenda::POLL_INTERVAL;
use crate::attempt::reason;
use crate::breaker::Allowed;
use crate::dispatcher::Dispatcher;
use crate::hold_log::News;
use crate::probed::Probed;

// === impl Dispatcher ===

impl Dispatcher {
    /// Begins the login probes that are due, and has events made due where only an event can show whether the portal is back.
    pub(crate) fn ask_held_portals(&mut self, directory: &Directory, clock: Millis, now: Instant) {
        for name in self.held.due(now) {
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            let Some(tenant) = directory.by_name(&name) else {
                if lane.is_idle() {
                    self.end_hold_of_gone(&name);
                }
                continue;
            };
            // A probe for events that were discarded meanwhile would have no end.
            if !lane.names().iter().any(|name| self.agenda.has(name)) {
                continue;
            }
            match lane.breaker.allows(now) {
                Allowed::Login => {
                    lane.breaker.probe();
                    let (tenant, portals) = (Arc::clone(tenant), Arc::clone(&self.context.portals));
                    let (lane, ended) = (name.clone(), self.probed.0.clone());
                    let deadline = now + self.context.config.attempt.min(LONGEST);
                    self.tasks.spawn(async move {
                        let asked = AssertUnwindSafe(portals.log_in(&tenant, deadline)).catch_unwind();
                        let outcome = asked.await.ok();
                        if outcome.is_none() {
                            tracing::error!(tenant = lane, "a login probe panicked");
                            // The next one is due at once.
                            sleep(POLL_INTERVAL).await;
                        }
                        let probed = Probed { lane, entry: tenant.fingerprint, begun: now, outcome };
                        // The dispatcher outlives its probes; without it nobody counts.
                        let _ = ended.send(probed).await;
                    });
                }
                Allowed::Probe => {
                    if lane.wants_events(now) {
                        self.make_due(&name);
                    }
                    self.wake(&name, clock);
                }
                Allowed::All | Allowed::NotBefore(_) | Allowed::Nothing => {}
            }
        }
    }

    /// Ends a hold that no probe can end, since no tenant has this name any more: its metric, and the alert on it, would
    /// stay until the next start. A customer that was renamed gets what waited for its portal at once.
    fn end_hold_of_gone(&mut self, name: &str) {
        self.make_due(name);
        self.lanes.remove(name);
        self.held.release(name);
        self.context.status.forget(name);
        tracing::info!(tenant = name, reason = "not_in_document", "deliveries are no longer held");
    }

    pub(crate) fn settle_probe(&mut self, probed: &Probed) {
        let Some(lane) = self.lanes.get_mut(&probed.lane) else { return };
        let is_of_entry = lane.is_of_entry(probed.entry);
        if is_of_entry {
            match &probed.outcome {
                None => lane.breaker.inconclusive(Instant::now()),
                Some(Ok(())) => lane.breaker.login_worked(Instant::now()),
                Some(Err(error)) => {
                    let jitter = rand::rng().random();
                    lane.breaker.login_failed(error, probed.begun, &self.context.config, jitter);
                }
            }
            lane.may_be_held();
        }
        self.show(&probed.lane);
        if let Some(Err(error)) = &probed.outcome {
            self.context.status.failed(&probed.lane, error.to_string());
            if is_of_entry {
                self.log_hold(&probed.lane, News::ProbeFailed, &reason(error));
            }
        }
    }

    /// Asks the portals at once that an operator wants to be asked.
    pub(crate) fn heed_operators(&mut self, now: Instant) {
        for name in self.context.status.take_wanted() {
            if let Some(lane) = self.lanes.get_mut(&name) {
                lane.breaker.ask_now(now);
                lane.hold_log.want_line();
                self.show(&name);
            }
        }
    }

    /// Ends the holds of tenants whose entries have changed: the new password or address may help.
    pub(crate) fn heed_changed_entries(&mut self, directory: &Directory, now: Instant) {
        let mut changed = Vec::new();
        for (name, lane) in &mut self.lanes {
            let Some(tenant) = directory.by_name(name) else {
                self.held.look_at(name, now);
                continue;
            };
            if lane.has_entry(tenant.fingerprint) {
                lane.breaker.entry_changed(now);
                lane.hold_log.want_line();
                lane.may_be_held();
                changed.push(name.clone());
            }
        }
        for name in changed {
            self.make_due(&name);
            self.show(&name);
        }
    }
}

/// How long a login probe may take. A portal whose logins take longer is one that nothing can be delivered to in time.
const LONGEST: Duration = Duration::from_secs(10);
