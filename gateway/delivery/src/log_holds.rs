//! Writes the log lines of holds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kyc_events::now;
use tokio::time::Instant;

use crate::dispatcher::Dispatcher;
use crate::hold_log::{HoldSoFar, Line, Trigger};

// === impl Dispatcher ===

impl Dispatcher {
    /// Logs a change of a tenant's hold; `error` is why the attempt or the probe has failed, if it has.
    pub(crate) fn log_hold(&mut self, tenant: &str, trigger: Trigger, error: &str) {
        let now = Instant::now();
        let Some(lane) = self.lanes.get_mut(tenant) else { return };
        let held = lane.breaker.held();
        let Some(line) = lane.hold_log.update(held.map(|(cause, _)| cause), trigger, now) else { return };
        let reason = held.map(|(cause, _)| cause.name());
        let until = held.and_then(|(_, until)| until).map(|until| time(until, now));
        let held_tenants = self.held.len();
        match line {
            Line::Held => {
                tracing::warn!(tenant, reason, error, until, held_tenants, "deliveries are held");
            }
            Line::StillHeld(HoldSoFar { held_for, failed_probes }) => tracing::warn!(
                tenant,
                reason,
                error,
                until,
                held_s = held_for.as_secs(),
                failed_probes,
                held_tenants,
                "deliveries are still held"
            ),
            Line::Released(HoldSoFar { held_for, failed_probes }) => tracing::info!(
                tenant,
                held_s = held_for.as_secs(),
                failed_probes,
                held_tenants,
                "deliveries are resumed: the portal accepts events again"
            ),
        }
    }
}

/// When the next probe is due, by the system's clock.
fn time(until: Instant, instant: Instant) -> String {
    let clock = UNIX_EPOCH + Duration::from_millis(u64::try_from(now()).unwrap_or_default());
    let at: SystemTime = clock + until.saturating_duration_since(instant);
    humantime::format_rfc3339_millis(at).to_string()
}
