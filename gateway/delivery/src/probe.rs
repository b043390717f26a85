//! Login probes: test whether a portal that did not answer, or refused the account, accepts a login again.
//!
//! A login probe sends no event, does not count as an attempt and takes no slot. It times out after [`PROBE_TIMEOUT`], while an
//! attempt may take `delivery.attempt`. The next delivery uses its session.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kyc_events::{Millis, TenantIndex};
use rand::RngExt;
use tokio::time::{Instant, sleep};

use crate::attempt::reason;
use crate::breaker::Allowed;
use crate::dispatcher::Dispatcher;
use crate::hold_log::Trigger;
use crate::probe_result::ProbeResult;
use crate::scheduler::POLL_INTERVAL;

// === impl Dispatcher ===

impl Dispatcher {
    /// Starts the login probes that are due. Where only an event can serve as a probe, makes waiting events due.
    pub(crate) fn probe_held_portals(&mut self, tenant_index: &TenantIndex, clock: Millis, now: Instant) {
        for name in self.held.due(now) {
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            let Some(tenant) = tenant_index.by_name(&name) else {
                if lane.is_idle() {
                    self.release_removed_tenant(&name);
                }
                continue;
            };
            // Without waiting events, probes would never end: the events were discarded meanwhile.
            if !lane.names().iter().any(|name| self.scheduler.has(name)) {
                continue;
            }
            match lane.breaker.allows(now) {
                Allowed::Login => {
                    lane.breaker.probe();
                    let (tenant, portals) = (Arc::clone(tenant), Arc::clone(&self.context.portals));
                    let (lane, ended) = (name.clone(), self.probed.0.clone());
                    let deadline = now + self.context.config.attempt.min(PROBE_TIMEOUT);
                    self.tasks.spawn(async move {
                        let asked = AssertUnwindSafe(portals.log_in(&tenant, deadline)).catch_unwind();
                        let outcome = asked.await.ok();
                        if outcome.is_none() {
                            tracing::error!(tenant = lane, "a login probe panicked");
                            // The next probe is due at once; the pause prevents a busy loop.
                            sleep(POLL_INTERVAL).await;
                        }
                        let probed = ProbeResult { lane, entry: tenant.fingerprint, begun: now, outcome };
                        // The dispatcher outlives its probes; without it the result is not needed.
                        let _ = ended.send(probed).await;
                    });
                }
                Allowed::Probe => {
                    if lane.needs_probe_event(now) {
                        self.make_due(&name);
                    }
                    self.wake(&name, clock);
                }
                Allowed::All | Allowed::NotBefore(_) | Allowed::Nothing => {}
            }
        }
    }

    /// Ends the hold of a tenant that was removed or renamed, which no probe can end: its metric and alert would stay until
    /// the next start. Events of a renamed customer become due at once.
    fn release_removed_tenant(&mut self, name: &str) {
        self.make_due(name);
        self.lanes.remove(name);
        self.held.release(name);
        self.context.status.forget(name);
        tracing::info!(tenant = name, reason = "not_in_document", "deliveries are no longer held");
    }

    pub(crate) fn complete_probe(&mut self, probed: &ProbeResult) {
        let Some(lane) = self.lanes.get_mut(&probed.lane) else { return };
        let is_of_entry = lane.is_of_entry(probed.entry);
        if is_of_entry {
            match &probed.outcome {
                None => lane.breaker.inconclusive(Instant::now()),
                Some(Ok(())) => lane.breaker.login_succeeded(Instant::now()),
                Some(Err(error)) => {
                    let jitter = rand::rng().random();
                    lane.breaker.login_failed(error, probed.begun, &self.context.config, jitter);
                }
            }
            lane.allow_pull_forward();
        }
        self.show(&probed.lane);
        if let Some(Err(error)) = &probed.outcome {
            self.context.status.failed(&probed.lane, error.to_string());
            if is_of_entry {
                self.log_hold(&probed.lane, Trigger::ProbeFailed, &reason(error));
            }
        }
    }

    /// Makes the probes that operators have requested due at once.
    pub(crate) fn apply_probe_requests(&mut self, now: Instant) {
        for name in self.context.status.take_probe_requests() {
            if let Some(lane) = self.lanes.get_mut(&name) {
                lane.breaker.probe_now(now);
                lane.hold_log.request_line();
                self.show(&name);
            }
        }
    }

    /// Makes a login probe due for each tenant whose entry has changed: the new password or address may be right.
    pub(crate) fn reset_changed_tenants(&mut self, tenant_index: &TenantIndex, now: Instant) {
        let mut changed = Vec::new();
        for (name, lane) in &mut self.lanes {
            let Some(tenant) = tenant_index.by_name(name) else {
                self.held.make_due(name, now);
                continue;
            };
            if lane.set_entry(tenant.fingerprint) {
                lane.breaker.entry_changed(now);
                lane.hold_log.request_line();
                lane.allow_pull_forward();
                changed.push(name.clone());
            }
        }
        for name in changed {
            self.make_due(&name);
            self.show(&name);
        }
    }
}

/// Timeout of a login probe. A portal whose logins take longer cannot accept a delivery in time either.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
