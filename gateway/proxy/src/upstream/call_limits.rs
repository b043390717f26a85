//! Concurrency limit and circuit breaker for the calls of one tenant to one upstream.
//!
//! Both count per tenant: a tenant with a slow or locked upstream account must not use up the capacity of others, and the failures
//! of one tenant do not show that the upstream fails for another. The limits are part of each request's target, so that a changed
//! configuration applies to the next call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::HeaderValue;
use kyc_model::{Problem, ProblemKind, TenantName};
use kyc_plugin_api::{Ctx, UpstreamLimits};
use kyc_telemetry::Metrics;

/// The limiters of all tenants and upstreams, shared by all listeners.
#[derive(Debug)]
pub struct CallLimiters {
    known: RwLock<HashMap<TenantName, Vec<Arc<CallLimiter>>>>,
    metrics: Metrics,
}

/// One tenant's calls to one upstream.
#[derive(Debug)]
struct CallLimiter {
    tenant: TenantName,
    authority: HeaderValue,
    in_flight: AtomicUsize,
    probes: AtomicU64,
    breaker: Mutex<BreakerState>,
    metrics: Metrics,
}

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BreakerState {
    /// Calls are permitted; the number is the count of consecutive failures.
    Closed { failures: u32 },
    /// Calls are refused until this time.
    Open { until: Instant },
    /// One call is in flight as a probe; after `until` another one is permitted, in case the first takes too long.
    HalfOpen { number: u64, until: Instant },
}

/// Permits one call; dropping it frees its slot and reports the outcome to the circuit breaker.
#[derive(Debug)]
pub(crate) struct CallPermit {
    limiter: Arc<CallLimiter>,
    limits: UpstreamLimits,
    /// The number of the probe, if this call is one.
    probe: Option<u64>,
    /// Whether the upstream worked; `None` while that is unknown.
    succeeded: Option<bool>,
}

// === impl CallLimiters ===

impl CallLimiters {
    /// Creates the limiters, all with a closed circuit breaker.
    pub fn new(metrics: &Metrics) -> Self {
        Self { known: RwLock::default(), metrics: metrics.clone() }
    }

    /// Permits a call to the target of a request; `None` for a request that belongs to no tenant.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Overloaded`] when the tenant's limit of calls in flight is reached, [`ProblemKind::UpstreamUnreachable`] while
    /// the circuit breaker is open; both with the time of a retry.
    pub(crate) fn enter(&self, cx: &Ctx) -> Result<Option<CallPermit>, Problem> {
        let (Some(tenant), Some(target)) = (cx.tenant(), cx.target()) else { return Ok(None) };
        let limiter = self.limiter(&tenant.name, target.base.authority());
        CallLimiter::enter(limiter, target.limits, Instant::now()).map(Some)
    }

    fn limiter(&self, tenant: &TenantName, authority: &HeaderValue) -> Arc<CallLimiter> {
        let of = |known: &HashMap<TenantName, Vec<Arc<CallLimiter>>>| {
            known.get(tenant)?.iter().find(|limiter| limiter.authority == authority).map(Arc::clone)
        };
        // The common case takes a shared lock only.
        if let Some(limiter) = of(&self.known.read().unwrap_or_else(PoisonError::into_inner)) {
            return limiter;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have added it between both locks.
        if let Some(limiter) = of(&known) {
            return limiter;
        }
        // Unused limiters are removed only here, because a new tenant or upstream is rare: the scan is not repeated for each call.
        known.retain(|_, limiters| {
            limiters.retain(|limiter| !limiter.retire_if_idle(Instant::now()));
            !limiters.is_empty()
        });
        let limiter = Arc::new(CallLimiter::new(tenant.clone(), authority.clone(), self.metrics.clone()));
        known.entry(tenant.clone()).or_default().push(Arc::clone(&limiter));
        limiter
    }
}

// === impl CallLimiter ===

impl CallLimiter {
    fn new(tenant: TenantName, authority: HeaderValue, metrics: Metrics) -> Self {
        let breaker = Mutex::new(BreakerState::Closed { failures: 0 });
        let (in_flight, probes) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { tenant, authority, in_flight, probes, breaker, metrics }
    }

    /// Returns whether the limiter can be removed; if so, removes its metric. One that has seen failures stays: otherwise tenants
    /// that call in turn would remove each other's counts, and no breaker would open.
    fn retire_if_idle(self: &Arc<Self>, now: Instant) -> bool {
        let is_over = match *self.breaker() {
            BreakerState::Closed { failures } => failures == 0,
            BreakerState::Open { until } | BreakerState::HalfOpen { until, .. } => until + FORGOTTEN <= now,
        };
        // Permits hold the limiter, so a count of one means that no call is in flight.
        let is_idle = is_over && Arc::strong_count(self) == 1;
        if is_idle {
            self.set_open_metric(false);
        }
        is_idle
    }

    fn set_open_metric(&self, is_open: bool) {
        let upstream = self.authority.to_str().unwrap_or_default();
        self.metrics.upstreams().breaker_open(self.tenant.as_str(), upstream, is_open);
    }

    fn breaker(&self) -> MutexGuard<'_, BreakerState> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: Arc<Self>, limits: UpstreamLimits, now: Instant) -> Result<CallPermit, Problem> {
        // Added before the comparison, so that two calls cannot both get the last slot. Relaxed: no other memory depends on the count.
        let in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed);
        // From here on, dropping the permit frees the slot.
        let mut permit = CallPermit { limiter: self, limits, probe: None, succeeded: None };
        let limiter = &permit.limiter;
        if in_flight >= limits.in_flight {
            limiter.metrics.upstreams().rejected(limiter.tenant.as_str(), "in_flight");
            let detail = format!("the tenant has {in_flight} calls to the upstream in flight");
            return Err(Problem::new(ProblemKind::Overloaded, detail).with_retry_after(RETRY_SOON));
        }
        let wait = {
            let mut breaker = limiter.breaker();
            match *breaker {
                BreakerState::Closed { .. } => None,
                BreakerState::Open { until } | BreakerState::HalfOpen { until, .. } if until <= now => {
                    let number = limiter.probes.fetch_add(1, Ordering::Relaxed);
                    *breaker = BreakerState::HalfOpen { number, until: now + limits.open };
                    permit.probe = Some(number);
                    None
                }
                BreakerState::Open { until } => Some(until - now),
                BreakerState::HalfOpen { .. } => Some(RETRY_SOON),
            }
        };
        if let Some(wait) = wait {
            limiter.metrics.upstreams().rejected(limiter.tenant.as_str(), "breaker");
            let detail = "the tenant's calls to the upstream failed in a row, the circuit breaker is open";
            return Err(Problem::new(ProblemKind::UpstreamUnreachable, detail).with_retry_after(wait));
        }
        Ok(permit)
    }

    /// Records the outcome of a call. Calls that began before the breaker opened are ignored.
    fn settle(&self, probe: Option<u64>, succeeded: Option<bool>, limits: UpstreamLimits, now: Instant) {
        let mut breaker = self.breaker();
        let before = *breaker;
        // A call without an outcome (the caller left) changes nothing, unless it is the probe.
        *breaker = match (before, succeeded) {
            (BreakerState::Closed { .. }, Some(true)) => BreakerState::Closed { failures: 0 },
            (BreakerState::Closed { failures }, Some(false)) if failures + 1 < limits.failures => {
                BreakerState::Closed { failures: failures + 1 }
            }
            (BreakerState::Closed { .. }, Some(false)) => BreakerState::Open { until: now + limits.open },
            (BreakerState::HalfOpen { number, .. }, succeeded) if probe == Some(number) => match succeeded {
                Some(true) => BreakerState::Closed { failures: 0 },
                Some(false) => BreakerState::Open { until: now + limits.open },
                // The caller left before the outcome was known: the next call is the probe.
                None => BreakerState::Open { until: now },
            },
            (BreakerState::Closed { .. } | BreakerState::Open { .. } | BreakerState::HalfOpen { .. }, _) => {
                before
            }
        };
        let is_open = |breaker: BreakerState| !matches!(breaker, BreakerState::Closed { .. });
        let (was_open, opened) = (is_open(before), is_open(*breaker));
        if was_open != opened {
            let (tenant, upstream) = (self.tenant.as_str(), self.authority.to_str().unwrap_or_default());
            self.set_open_metric(opened);
            if opened {
                tracing::warn!(tenant, upstream, "upstream circuit breaker opened");
            } else {
                tracing::info!(tenant, upstream, "upstream circuit breaker closed");
            }
        }
    }
}

// === impl CallPermit ===

impl CallPermit {
    /// Records whether the upstream worked. A failure after a success counts as a failure.
    pub(crate) fn record(&mut self, succeeded: bool) {
        self.succeeded = Some(self.succeeded.unwrap_or(true) && succeeded);
    }
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        self.limiter.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.limiter.settle(self.probe, self.succeeded, self.limits, Instant::now());
    }
}

/// The `Retry-After` at the limit of concurrent calls, which end soon.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// How long after its end an open breaker without calls is remembered, so that the next call is a probe.
const FORGOTTEN: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: UpstreamLimits = UpstreamLimits { in_flight: 2, failures: 3, open: Duration::from_secs(5) };

    fn limiter() -> Arc<CallLimiter> {
        let authority = HeaderValue::from_static("api.eu.onfido.com");
        Arc::new(CallLimiter::new(TenantName::new("acme"), authority, Metrics::new().unwrap()))
    }

    fn call(limiter: &Arc<CallLimiter>, now: Instant, succeeded: bool) -> Result<(), ProblemKind> {
        let mut permit = Arc::clone(limiter).enter(LIMITS, now).map_err(|problem| problem.kind())?;
        limiter.settle(permit.probe, Some(succeeded), LIMITS, now);
        // What drops has been settled, at the test's time.
        (permit.probe, permit.succeeded) = (None, None);
        Ok(())
    }

    #[test]
    fn dropped_permits_free_their_slots() {
        let (limiter, now) = (limiter(), Instant::now());

        let first = Arc::clone(&limiter).enter(LIMITS, now).unwrap();
        let _second = Arc::clone(&limiter).enter(LIMITS, now).unwrap();
        let third = Arc::clone(&limiter).enter(LIMITS, now).unwrap_err();
        drop(first);

        assert_eq!((third.kind(), third.retry_after()), (ProblemKind::Overloaded, Some(RETRY_SOON)));
        assert!(Arc::clone(&limiter).enter(LIMITS, now).is_ok());
    }

    #[test]
    fn consecutive_failures_open_the_breaker_and_one_call_probes() {
        let (limiter, now) = (limiter(), Instant::now());
        let later = now + LIMITS.open;
        let refused = Err(ProblemKind::UpstreamUnreachable);
        let mut old = Arc::clone(&limiter).enter(LIMITS, now).unwrap();

        let row = [false, false, true, false, false, false].map(|works| call(&limiter, now, works));
        let open = call(&limiter, now, true);
        old.record(true);
        drop(old);
        let still = call(&limiter, now, true);
        let probe = Arc::clone(&limiter).enter(LIMITS, later).unwrap();
        let beside = call(&limiter, later, true);
        let instead = call(&limiter, later + LIMITS.open, false);
        drop(probe);
        let again = call(&limiter, later + LIMITS.open, true);
        let back = call(&limiter, later + LIMITS.open * 2, true);

        assert_eq!(row, [Ok(()); 6]);
        assert_eq!(
            (open, still, beside),
            (refused, refused, refused),
            "calls from before the opening are ignored"
        );
        assert_eq!(
            (instead, again, back),
            (Ok(()), refused, Ok(())),
            "a probe that takes too long is not waited for"
        );
        assert_eq!(*limiter.breaker(), BreakerState::Closed { failures: 0 });
    }

    /// A call of another tenant removed the idle limiter of a failing one, with its count of failures: with few calls, no breaker
    /// ever opened.
    #[test]
    fn tenants_that_call_in_turn_keep_their_failures() {
        let limiters = CallLimiters::new(&Metrics::new().unwrap());
        let authority = HeaderValue::from_static("api.eu.onfido.com");
        let of = |tenant: &str| limiters.limiter(&TenantName::new(tenant), &authority);
        let (now, open) = (Instant::now(), LIMITS.open);

        for _ in 0..3 {
            call(&of("acme"), now, false).unwrap();
            call(&of("globex"), now, true).unwrap();
        }
        let refused = call(&of("acme"), now, true);
        drop(of("initech"));
        let probe = of("acme").enter(LIMITS, now + open).unwrap();

        assert_eq!(refused, Err(ProblemKind::UpstreamUnreachable));
        assert!(probe.probe.is_some(), "the end of the pause is remembered");
        assert!(!limiters.known.read().unwrap().contains_key("globex"), "without failures nothing is kept");
    }

    #[test]
    fn probe_cancelled_by_its_caller_lets_the_next_call_probe() {
        let (limiter, now) = (limiter(), Instant::now());
        for _ in 0..3 {
            call(&limiter, now, false).unwrap();
        }

        drop(Arc::clone(&limiter).enter(LIMITS, now + LIMITS.open).unwrap());

        assert_eq!(call(&limiter, Instant::now(), true), Ok(()));
        assert!(limiter.retire_if_idle(Instant::now()));
    }
}
