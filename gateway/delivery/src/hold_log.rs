//! Decides when to log that the deliveries of a tenant are held.
//!
//! A login probe sends no event, so without these lines the log would not show that a portal is still down. One line is
//! logged when a hold begins and one when it ends. In between, a failed probe is logged when the reason has changed, when
//! someone waits for its result (the tenant's entry has changed, an operator requested a replay), and otherwise at most
//! once a minute, with the number of failed probes. Each line contains the number of held tenants, because a network
//! failure that affects many tenants writes one line for each.

use std::time::Duration;

use tokio::time::Instant;

use crate::breaker::Cause;

/// The last line that was logged about a tenant's hold.
#[derive(Debug, Default)]
pub(crate) struct HoldLog(Option<Logged>);

#[derive(Debug)]
struct Logged {
    since: Instant,
    cause: Cause,
    /// When the last line was logged; `None` when the next failed probe must be logged.
    at: Option<Instant>,
    failed_probes: u32,
}

/// Why the hold is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// A probe, by login or by event, has failed.
    ProbeFailed,
    /// Anything else.
    Other,
}

/// A line for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Held,
    StillHeld(HoldSoFar),
    Released(HoldSoFar),
}

/// Duration and failed probes of a hold so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldSoFar {
    pub(crate) held_for: Duration,
    pub(crate) failed_probes: u32,
}

// === impl HoldLog ===

impl HoldLog {
    /// Updates the state of the hold and returns the line to log, if any.
    pub(crate) fn update(&mut self, held: Option<Cause>, trigger: Trigger, now: Instant) -> Option<Line> {
        match (held, &mut self.0) {
            (None, None) => None,
            (None, Some(logged)) => {
                let so_far = logged.so_far(now);
                self.0 = None;
                Some(Line::Released(so_far))
            }
            (Some(cause), None) => {
                self.0 = Some(Logged { since: now, cause, at: Some(now), failed_probes: 0 });
                Some(Line::Held)
            }
            (Some(_), Some(_)) if trigger == Trigger::Other => None,
            (Some(cause), Some(logged)) => {
                logged.failed_probes = logged.failed_probes.saturating_add(1);
                let is_recent = logged.at.is_some_and(|at| now.saturating_duration_since(at) < INTERVAL);
                if is_recent && logged.cause == cause {
                    return None;
                }
                (logged.cause, logged.at) = (cause, Some(now));
                Some(Line::StillHeld(logged.so_far(now)))
            }
        }
    }

    /// Requests that the next failed probe is logged.
    pub(crate) fn request_line(&mut self) {
        if let Some(logged) = &mut self.0 {
            logged.at = None;
        }
    }
}

// === impl Logged ===

impl Logged {
    fn so_far(&self, now: Instant) -> HoldSoFar {
        let held_for = now.saturating_duration_since(self.since);
        HoldSoFar { held_for, failed_probes: self.failed_probes }
    }
}

/// Interval between two lines about a hold with an unchanged reason.
const INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn still(line: Option<Line>) -> Option<(u64, u32)> {
        match line {
            Some(Line::StillHeld(past)) => Some((past.held_for.as_secs(), past.failed_probes)),
            Some(Line::Held | Line::Released(_)) | None => None,
        }
    }

    /// Regression: a portal was down for an hour, its probes failed four times a minute, and the log had no line about it.
    #[test]
    fn hold_is_logged_when_it_begins_once_a_minute_and_when_it_ends() {
        let (mut log, begin) = (HoldLog::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let unreachable = Some(Cause::Unreachable);

        let first = log.update(unreachable, Trigger::Other, begin);
        let lines: Vec<_> = (1..=20)
            .filter_map(|probe| still(log.update(unreachable, Trigger::ProbeFailed, at(probe * 15))))
            .collect();
        let end = log.update(None, Trigger::Other, at(301));
        let after = log.update(None, Trigger::Other, at(302));

        assert_eq!(first, Some(Line::Held));
        assert_eq!(lines, [(60, 4), (120, 8), (180, 12), (240, 16), (300, 20)]);
        let past = HoldSoFar { held_for: Duration::from_secs(301), failed_probes: 20 };
        assert_eq!((end, after), (Some(Line::Released(past)), None));
    }

    #[test]
    fn failed_probe_is_logged_at_once_after_a_changed_reason_or_request() {
        let (mut log, now) = (HoldLog::default(), Instant::now());
        let fail = |log: &mut HoldLog, cause| still(log.update(Some(cause), Trigger::ProbeFailed, now));
        log.update(Some(Cause::Unreachable), Trigger::Other, now);

        let same = fail(&mut log, Cause::Unreachable);
        let another = fail(&mut log, Cause::LoginRefused);
        let result = log.update(Some(Cause::Failing), Trigger::Other, now);
        log.request_line();
        let wanted = fail(&mut log, Cause::LoginRefused);
        let again = fail(&mut log, Cause::LoginRefused);

        assert_eq!((same, another, result), (None, Some((0, 2)), None));
        assert_eq!((wanted, again), (Some((0, 3)), None));
    }
}
