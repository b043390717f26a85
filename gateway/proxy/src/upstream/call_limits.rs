//! How much one tenant may ask of one upstream: calls under way, and none for a while when it fails.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::HeaderValue;
use kyc_model::{Problem, ProblemKind, TenantName};
use kyc_plugin_api::{Ctx, UpstreamLimits};
use kyc_telemetry::Metrics;

/// What guards the upstreams, of all tenants and for all listeners.
#[derive(Debug)]
pub struct Guards {
    known: RwLock<HashMap<TenantName, Vec<Arc<Guard>>>>,
    metrics: Metrics,
}

/// One tenant's calls to one upstream.
#[derive(Debug)]
struct Guard {
    tenant: TenantName,
    authority: HeaderValue,
    under_way: AtomicUsize,
    probes: AtomicU64,
    breaker: Mutex<Breaker>,
    metrics: Metrics,
}

/// Whether an upstream is asked at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaker {
    /// It is, and has failed so many times in a row.
    Closed { failures: u32 },
    /// It is not, until then.
    Open { until: Instant },
    /// The call of this number finds out how it is; another one may when it takes too long.
    Probing { number: u64, until: Instant },
}

/// One call that was let through; its place is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    guard: Arc<Guard>,
    limits: UpstreamLimits,
    /// Of a call that finds out.
    probe: Option<u64>,
    /// Whether the upstream answered as one that works; `None` while nobody knows.
    verdict: Option<bool>,
}

// === impl Guards ===

impl Guards {
    /// Begins without failures.
    pub fn new(metrics: &Metrics) -> Self {
        Self { known: RwLock::default(), metrics: metrics.clone() }
    }

    /// Lets a request through to its target; `None` for one that belongs to no tenant.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Overloaded`] when the tenant has as many calls under way as it may,
    /// [`ProblemKind::UpstreamUnreachable`] while its calls to this upstream keep failing; both say when to try again.
    pub(crate) fn enter(&self, cx: &Ctx) -> Result<Option<Pass>, Problem> {
        let (Some(tenant), Some(target)) = (cx.tenant(), cx.target()) else { return Ok(None) };
        let guard = self.guard(&tenant.name, target.base.authority());
        Guard::enter(guard, target.limits, Instant::now()).map(Some)
    }

    fn guard(&self, tenant: &TenantName, authority: &HeaderValue) -> Arc<Guard> {
        let of = |known: &HashMap<TenantName, Vec<Arc<Guard>>>| {
            known.get(tenant)?.iter().find(|guard| guard.authority == authority).map(Arc::clone)
        };
        if let Some(guard) = of(&self.known.read().unwrap_or_else(PoisonError::into_inner)) {
            return guard;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(guard) = of(&known) {
            return guard;
        }
        // A rare moment: tenants that are gone are forgotten.
        known.retain(|_, guards| {
            guards.retain(|guard| !guard.is_idle(Instant::now()));
            !guards.is_empty()
        });
        let guard = Arc::new(Guard::new(tenant.clone(), authority.clone(), self.metrics.clone()));
        known.entry(tenant.clone()).or_default().push(Arc::clone(&guard));
        guard
    }
}

// === impl Guard ===

impl Guard {
    fn new(tenant: TenantName, authority: HeaderValue, metrics: Metrics) -> Self {
        let breaker = Mutex::new(Breaker::Closed { failures: 0 });
        let (under_way, probes) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { tenant, authority, under_way, probes, breaker, metrics }
    }

    /// Says whether it can be forgotten, and takes back what it told of itself.
    fn is_idle(self: &Arc<Self>, now: Instant) -> bool {
        let is_over = match *self.breaker() {
            Breaker::Closed { .. } => true,
            Breaker::Open { until } | Breaker::Probing { until, .. } => until <= now,
        };
        let is_idle = is_over && Arc::strong_count(self) == 1;
        if is_idle {
            self.tell(false);
        }
        is_idle
    }

    fn tell(&self, is_open: bool) {
        let upstream = self.authority.to_str().unwrap_or_default();
        self.metrics.upstreams().breaker_open(self.tenant.as_str(), upstream, is_open);
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: Arc<Self>, limits: UpstreamLimits, now: Instant) -> Result<Pass, Problem> {
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed);
        // From here on the place is given back.
        let mut pass = Pass { guard: self, limits, probe: None, verdict: None };
        let guard = &pass.guard;
        if under_way >= limits.in_flight {
            guard.metrics.upstreams().rejected(guard.tenant.as_str(), "in_flight");
            let detail = format!("the tenant has {under_way} calls to the upstream under way");
            return Err(Problem::new(ProblemKind::Overloaded, detail).with_retry_after(SOON));
        }
        let wait = {
            let mut breaker = guard.breaker();
            match *breaker {
                Breaker::Closed { .. } => None,
                Breaker::Open { until } | Breaker::Probing { until, .. } if until <= now => {
                    let number = guard.probes.fetch_add(1, Ordering::Relaxed);
                    *breaker = Breaker::Probing { number, until: now + limits.open };
                    pass.probe = Some(number);
                    None
                }
                Breaker::Open { until } => Some(until - now),
                Breaker::Probing { .. } => Some(SOON),
            }
        };
        if let Some(wait) = wait {
            guard.metrics.upstreams().rejected(guard.tenant.as_str(), "breaker");
            let detail = "the tenant's calls to the upstream failed in a row, the circuit breaker is open";
            return Err(Problem::new(ProblemKind::UpstreamUnreachable, detail).with_retry_after(wait));
        }
        Ok(pass)
    }

    /// Takes what became of a call. Calls that began before the breaker opened change nothing any more.
    fn settle(&self, probe: Option<u64>, verdict: Option<bool>, limits: UpstreamLimits, now: Instant) {
        let mut breaker = self.breaker();
        let before = *breaker;
        *breaker = match (before, verdict) {
            (Breaker::Closed { .. }, Some(true)) => Breaker::Closed { failures: 0 },
            (Breaker::Closed { failures }, Some(false)) if failures + 1 < limits.failures => {
                Breaker::Closed { failures: failures + 1 }
            }
            (Breaker::Closed { .. }, Some(false)) => Breaker::Open { until: now + limits.open },
            (Breaker::Probing { number, .. }, verdict) if probe == Some(number) => match verdict {
                Some(true) => Breaker::Closed { failures: 0 },
                Some(false) => Breaker::Open { until: now + limits.open },
                // The caller left before anything was known: the next one finds out.
                None => Breaker::Open { until: now },
            },
            (Breaker::Closed { .. } | Breaker::Open { .. } | Breaker::Probing { .. }, _) => before,
        };
        let is_open = |breaker: Breaker| !matches!(breaker, Breaker::Closed { .. });
        let (was_open, opened) = (is_open(before), is_open(*breaker));
        if was_open != opened {
            let (tenant, upstream) = (self.tenant.as_str(), self.authority.to_str().unwrap_or_default());
            self.tell(opened);
            if opened {
                tracing::warn!(tenant, upstream, "the upstream fails, the circuit breaker opened");
            } else {
                tracing::info!(tenant, upstream, "the upstream answers again");
            }
        }
    }
}

// === impl Pass ===

impl Pass {
    /// Notes whether the upstream answered as one that works; a failure afterwards is the last word.
    pub(crate) fn note(&mut self, works: bool) {
        self.verdict = Some(self.verdict.unwrap_or(true) && works);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.guard.under_way.fetch_sub(1, Ordering::Relaxed);
        self.guard.settle(self.probe, self.verdict, self.limits, Instant::now());
    }
}

/// For callers whose turn comes when another call ends.
const SOON: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: UpstreamLimits = UpstreamLimits { in_flight: 2, failures: 3, open: Duration::from_secs(5) };

    fn guard() -> Arc<Guard> {
        let authority = HeaderValue::from_static("api.eu.onfido.com");
        Arc::new(Guard::new(TenantName::new("acme"), authority, Metrics::new().unwrap()))
    }

    fn call(guard: &Arc<Guard>, now: Instant, works: bool) -> Result<(), ProblemKind> {
        let mut pass = Arc::clone(guard).enter(LIMITS, now).map_err(|problem| problem.kind())?;
        guard.settle(pass.probe, Some(works), LIMITS, now);
        // What drops has been settled, at the test's time.
        (pass.probe, pass.verdict) = (None, None);
        Ok(())
    }

    #[test]
    fn places_are_given_back() {
        let (guard, now) = (guard(), Instant::now());

        let first = Arc::clone(&guard).enter(LIMITS, now).unwrap();
        let _second = Arc::clone(&guard).enter(LIMITS, now).unwrap();
        let third = Arc::clone(&guard).enter(LIMITS, now).unwrap_err();
        drop(first);

        assert_eq!((third.kind(), third.retry_after()), (ProblemKind::Overloaded, Some(SOON)));
        assert!(Arc::clone(&guard).enter(LIMITS, now).is_ok());
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_call_finds_out() {
        let (guard, now) = (guard(), Instant::now());
        let later = now + LIMITS.open;
        let refused = Err(ProblemKind::UpstreamUnreachable);
        let mut old = Arc::clone(&guard).enter(LIMITS, now).unwrap();

        let row = [false, false, true, false, false, false].map(|works| call(&guard, now, works));
        let open = call(&guard, now, true);
        old.note(true);
        drop(old);
        let still = call(&guard, now, true);
        let probe = Arc::clone(&guard).enter(LIMITS, later).unwrap();
        let beside = call(&guard, later, true);
        let instead = call(&guard, later + LIMITS.open, false);
        drop(probe);
        let again = call(&guard, later + LIMITS.open, true);
        let back = call(&guard, later + LIMITS.open * 2, true);

        assert_eq!(row, [Ok(()); 6]);
        assert_eq!((open, still, beside), (refused, refused, refused), "and old calls change nothing");
        assert_eq!(
            (instead, again, back),
            (Ok(()), refused, Ok(())),
            "a probe that takes too long is not waited for"
        );
        assert_eq!(*guard.breaker(), Breaker::Closed { failures: 0 });
    }

    #[test]
    fn a_probe_whose_caller_leaves_lets_the_next_one_find_out() {
        let (guard, now) = (guard(), Instant::now());
        for _ in 0..3 {
            call(&guard, now, false).unwrap();
        }

        drop(Arc::clone(&guard).enter(LIMITS, now + LIMITS.open).unwrap());

        assert_eq!(call(&guard, Instant::now(), true), Ok(()));
        assert!(guard.is_idle(Instant::now()));
    }
}
