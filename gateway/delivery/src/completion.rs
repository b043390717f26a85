//! Processes the result of an attempt: releases its slot and updates the circuit breaker.

use kyc_events::{Command, Millis, now};
use rand::RngExt;
use tokio::time::Instant;

use crate::attempt::{AttemptResult, reason};
use crate::dispatcher::Dispatcher;
use crate::hold_log::Trigger;
use crate::lane::Lane;
use crate::maintenance::until_done;

impl Dispatcher {
    pub(crate) async fn complete(&mut self, result: AttemptResult) {
        if let Some(claims) = self.under_way.get_mut(&result.received_for) {
            claims.remove(&result.claim);
        }
        if let Some(due) = result.due {
            self.scheduler.add_due(&result.received_for, due);
        }
        let Some(lane) = self.lanes.get_mut(&result.tenant) else { return };
        if let Some(is_retry) = lane.end(result.claim) {
            self.slots.end(is_retry);
        }
        let instant = Instant::now();
        let was_probing = lane.breaker.is_half_open();
        let mut is_back = false;
        match &result.outcome {
            None => lane.breaker.inconclusive(instant),
            Some(Ok(())) => {
                // Events may wait for this portal since before this process started.
                let is_first = lane.answered(instant);
                is_back = lane.breaker.succeeded(instant) || is_first;
            }
            Some(Err(error)) => {
                if error.rejects_event() {
                    lane.answered(instant);
                }
                is_back = lane.breaker.failed(error, instant, &self.context.config, rand::rng().random());
                // After `failed`, because a longer `Retry-After` replaces the interval of the breaker.
                if let Some(wait) = error.retry_after() {
                    lane.breaker.hold(instant + wait);
                }
                lane.allow_pull_forward();
            }
        }
        let is_held = lane.breaker.held().is_some();
        self.show(&result.tenant);
        self.wake(&result.tenant, now());
        let error = result.outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
        let trigger = if was_probing && error.is_some() { Trigger::ProbeFailed } else { Trigger::Other };
        self.log_hold(&result.tenant, trigger, &error.map(reason).unwrap_or_default());
        // After `show`, which publishes the hold that the error belongs to.
        if let Some(error) = error.filter(|_| is_held) {
            self.context.status.failed(&result.tenant, error.to_string());
        }
        if is_back {
            // Otherwise events would wait for up to the last step of the schedule, although the portal is back.
            self.make_due(&result.tenant);
        }
    }

    /// Makes all events of a lane due that wait because of a failure of the portal.
    pub(crate) fn make_due(&mut self, lane: &str) {
        for tenant in self.lanes.get(lane).into_iter().flat_map(Lane::names) {
            let change = Command::MakeDue { tenant: (**tenant).to_owned(), now: now() };
            self.tasks.spawn(until_done(self.context.commit_queue.clone(), change));
        }
    }

    /// Queues a lane again, since it may have free slots.
    pub(crate) fn wake(&mut self, lane: &str, clock: Millis) {
        for name in self.lanes.get(lane).into_iter().flat_map(Lane::names) {
            self.passed_over.remove(name);
            self.scheduler.wake(name, clock);
        }
    }

    /// Publishes the state of a lane.
    pub(crate) fn show(&mut self, name: &str) {
        let Some(lane) = self.lanes.get(name) else { return };
        let held = lane.breaker.held();
        match held {
            Some((_, until)) => self.held.hold(name, until),
            None => self.held.release(name),
        }
        self.context.status.show(name, lane.breaker.code(), held);
    }
}
