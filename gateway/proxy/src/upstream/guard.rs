//! How much one tenant may ask of one upstream: calls under way, and none for a while when it fails.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// One call finds out how it is.
    Probing,
}

/// One call that was let through; its place is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    guard: Arc<Guard>,
    limits: UpstreamLimits,
    is_probe: bool,
    is_settled: bool,
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
            guards.retain(|guard| !guard.is_idle());
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
        Self { tenant, authority, under_way: AtomicUsize::new(0), breaker, metrics }
    }

    fn is_idle(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1 && matches!(*self.breaker(), Breaker::Closed { .. })
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: Arc<Self>, limits: UpstreamLimits, now: Instant) -> Result<Pass, Problem> {
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed);
        // From here on the place is given back.
        let mut pass = Pass { guard: self, limits, is_probe: false, is_settled: true };
        let guard = &pass.guard;
        if under_way >= limits.in_flight {
            guard.metrics.upstreams().held_back(guard.tenant.as_str(), "in_flight");
            let detail = format!("the tenant has {under_way} calls to the upstream under way");
            return Err(Problem::new(ProblemKind::Overloaded, detail).with_retry_after(SOON));
        }
        let wait = {
            let mut breaker = guard.breaker();
            match *breaker {
                Breaker::Closed { .. } => None,
                Breaker::Open { until } if until <= now => {
                    *breaker = Breaker::Probing;
                    pass.is_probe = true;
                    None
                }
                Breaker::Open { until } => Some(until - now),
                Breaker::Probing => Some(SOON),
            }
        };
        if let Some(wait) = wait {
            guard.metrics.upstreams().held_back(guard.tenant.as_str(), "breaker");
            let detail = "the tenant's calls to the upstream failed in a row, it is left alone for a while";
            return Err(Problem::new(ProblemKind::UpstreamUnreachable, detail).with_retry_after(wait));
        }
        pass.is_settled = false;
        Ok(pass)
    }

    fn settle(&self, limits: UpstreamLimits, succeeded: bool, now: Instant) {
        let mut breaker = self.breaker();
        let before = *breaker;
        *breaker = match before {
            _ if succeeded => Breaker::Closed { failures: 0 },
            Breaker::Closed { failures } if failures + 1 < limits.failures => {
                Breaker::Closed { failures: failures + 1 }
            }
            // Calls that began before it opened prolong nothing.
            Breaker::Open { .. } => before,
            Breaker::Closed { .. } | Breaker::Probing => Breaker::Open { until: now + limits.open },
        };
        let is_open = |breaker: Breaker| !matches!(breaker, Breaker::Closed { .. });
        if is_open(before) != is_open(*breaker) {
            let (tenant, upstream) = (self.tenant.as_str(), self.authority.to_str().unwrap_or_default());
            self.metrics.upstreams().left_alone(tenant, upstream, is_open(*breaker));
            if succeeded {
                tracing::info!(tenant, upstream, "the upstream answers again");
            } else {
                tracing::warn!(tenant, upstream, "the upstream fails, it is left alone for a while");
            }
        }
    }
}

// === impl Pass ===

impl Pass {
    /// Notes whether the upstream answered as one that works; the first word counts.
    pub(crate) fn settle(&mut self, succeeded: bool) {
        if !std::mem::replace(&mut self.is_settled, true) {
            self.guard.settle(self.limits, succeeded, Instant::now());
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.guard.under_way.fetch_sub(1, Ordering::Relaxed);
        if self.is_probe && !self.is_settled {
            // The caller left before anything was known: the next one finds out.
            *self.guard.breaker() = Breaker::Open { until: Instant::now() };
        }
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

    fn call(guard: &Arc<Guard>, now: Instant, succeeded: bool) -> Result<(), ProblemKind> {
        let mut pass = Arc::clone(guard).enter(LIMITS, now).map_err(|problem| problem.kind())?;
        guard.settle(LIMITS, succeeded, now);
        pass.is_settled = true;
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

        let row = [false, false, true, false, false, false].map(|succeeded| call(&guard, now, succeeded));
        let open = call(&guard, now, true);
        let probe = Arc::clone(&guard).enter(LIMITS, later).unwrap();
        let beside = call(&guard, later, true);
        drop(probe);
        let failed = call(&guard, Instant::now().max(later), false);
        let again = call(&guard, later, true);
        let back = call(&guard, later + LIMITS.open, true);

        assert_eq!(row, [Ok(()); 6]);
        assert_eq!((open, beside, failed, again, back), (refused, refused, Ok(()), refused, Ok(())));
        assert_eq!(*guard.breaker(), Breaker::Closed { failures: 0 });
    }
}
