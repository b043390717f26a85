//! The look-ups that each tenant's account may still have in this minute.
//!
//! Onfido limits the calls of an account. The calls of the gateway's callers come first, so look-ups take a fixed part of that limit.
//! The budget fills continuously, and holds what comes in from one look at the ledger to the next, or in a tenth of a minute: a
//! thousand overdue checks after an outage are spread over time and do not come at once.
//!
//! It begins empty: it is not stored, and a gateway that is restarted again and again must not make more calls than one that runs.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

/// The budgets of all tenants, by name.
#[derive(Debug)]
pub(crate) struct Budgets {
    per_second: f64,
    most: f64,
    /// When a tenant began to fill its budget that is not in `left`.
    began: Instant,
    left: HashMap<String, (f64, Instant)>,
    /// Until when the account of a tenant is left alone.
    paused: HashMap<String, Instant>,
    /// The tenants whose last look-up has failed.
    failed: HashSet<String>,
}

// === impl Budgets ===

impl Budgets {
    /// The budgets of a ledger that is read every `tick`, empty at the time `began`.
    pub(crate) fn new(calls_per_minute: u32, tick: Duration, began: Instant) -> Self {
        let per_minute = f64::from(calls_per_minute);
        let per_second = per_minute / 60.0;
        // A check takes two calls: its own, and one for its reports.
        Self {
            per_second,
            most: (per_second * tick.as_secs_f64()).max(per_minute / 10.0).max(2.0),
            began,
            left: HashMap::new(),
            paused: HashMap::new(),
            failed: HashSet::new(),
        }
    }

    /// Empties all budgets. Another process makes the look-ups at this time and counts their calls, which this one does not know.
    pub(crate) fn empty(&mut self, now: Instant) {
        self.left.clear();
        self.began = now;
    }

    /// Returns how many calls the tenant may have now.
    pub(crate) fn left(&self, tenant: &str, now: Instant) -> u32 {
        if self.paused.get(tenant).is_some_and(|until| now < *until) {
            return 0;
        }
        let left = self.filled(tenant, now).max(0.0).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 40")]
        let whole = left as u32;
        whole
    }

    /// Counts calls that were made. The budget may become negative: a later minute pays.
    pub(crate) fn spend(&mut self, tenant: &str, calls: u32, now: Instant) {
        let left = self.filled(tenant, now) - f64::from(calls);
        self.left.insert(tenant.to_owned(), (left, now));
    }

    /// Leaves the account of a tenant alone until then.
    pub(crate) fn pause(&mut self, tenant: &str, until: Instant) {
        self.paused.insert(tenant.to_owned(), until);
    }

    /// Returns whether the tenant's last look-up has failed.
    pub(crate) fn has_failed(&self, tenant: &str) -> bool {
        self.failed.contains(tenant)
    }

    /// Records whether the tenant's last look-up has failed.
    pub(crate) fn set_failed(&mut self, tenant: &str, has_failed: bool) {
        if !has_failed {
            self.failed.remove(tenant);
        } else if !self.failed.contains(tenant) {
            self.failed.insert(tenant.to_owned());
        }
    }

    /// Forgets the budgets that are full, which is what a tenant without one has.
    pub(crate) fn forget_full(&mut self, now: Instant) {
        let (per_second, most) = (self.per_second, self.most);
        self.paused.retain(|_, until| now < *until);
        self.left.retain(|_, (left, at)| fill(*left, per_second, now.duration_since(*at)) < most);
    }

    fn filled(&self, tenant: &str, now: Instant) -> f64 {
        let (left, at) = self.left.get(tenant).copied().unwrap_or((0.0, self.began));
        fill(left, self.per_second, now.duration_since(at)).min(self.most)
    }
}

fn fill(left: f64, per_second: f64, passed: Duration) -> f64 {
    per_second.mul_add(passed.as_secs_f64(), left)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn tenant_gets_its_calls_per_minute_and_no_more() {
        let start = Instant::now();
        let mut budgets = Budgets::new(40, SECOND, start);
        let mut made = 0;

        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            let calls = budgets.left("acme", now);
            budgets.spend("acme", calls, now);
            made += calls;
        }

        assert!((400 - 5..=400).contains(&made), "{made} calls in ten minutes");
    }

    /// Regression: each restart granted a tenth of a minute's calls at once.
    #[test]
    fn restarts_grant_no_more_calls_than_the_time_that_passes() {
        let start = Instant::now();
        let mut made = 0;

        for restart in 0..60 {
            let began = start + Duration::from_secs(restart * 10);
            let mut budgets = Budgets::new(40, SECOND, began);
            for second in 0..10 {
                let now = began + Duration::from_secs(second);
                let calls = budgets.left("acme", now);
                budgets.spend("acme", calls, now);
                budgets.forget_full(now);
                made += calls;
            }
        }

        assert!((300..=400).contains(&made), "{made} calls in ten minutes");
    }

    #[test]
    fn ledger_that_is_read_seldom_gets_the_same_number_of_calls() {
        let start = Instant::now();
        let tick = Duration::from_secs(15);
        let mut budgets = Budgets::new(40, tick, start);
        let mut made = 0;

        for pass in 0..40 {
            let now = start + tick * pass;
            let calls = budgets.left("acme", now);
            budgets.spend("acme", calls, now);
            made += calls;
        }

        assert!((385..=400).contains(&made), "{made} calls in ten minutes");
    }

    #[test]
    fn budget_of_one_tenant_is_not_spent_by_another() {
        let start = Instant::now();
        let mut budgets = Budgets::new(1, SECOND, start);
        let now = start + Duration::from_secs(120);

        budgets.spend("acme", 5, now);

        assert_eq!((budgets.left("acme", now), budgets.left("beta", now)), (0, 2));
        let later = now + Duration::from_secs(600);
        budgets.forget_full(later);
        assert!(budgets.left.is_empty());
    }

    #[test]
    fn paused_account_is_left_alone() {
        let start = Instant::now();
        let mut budgets = Budgets::new(40, SECOND, start);
        let now = start + Duration::from_secs(60);

        budgets.pause("acme", now + Duration::from_secs(60));

        assert_eq!((budgets.left("acme", now), budgets.left("beta", now)), (0, 4));
        assert_eq!(budgets.left("acme", now + Duration::from_secs(60)), 4);
    }
}
