//! The plugin: limits the requests of each tenant.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use kyc_model::TenantName;
use kyc_plugin_api::{
    Build, ConfigErrors, CounterFamily, Ctx, Flow, Needs, Plugin, Problem, ProblemKind, Result, RouteApi,
    plugin,
};
use kyc_telemetry::names;
use pingora_http::RequestHeader;

use crate::config::{Config, Quotas};
use crate::queue::{Entry, Place, Queue};

type Limiter<C> =
    RateLimiter<TenantName, DashMapStateStore<TenantName>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Limits the requests of each tenant by a token bucket (GCRA).
pub struct TenantRateLimit<C: Clock = DefaultClock> {
    limiter: Arc<Limiter<C>>,
    /// Requests since the start, to clean up the limiter at intervals.
    checks: AtomicU32,
    /// Queued requests; absent without `wait`.
    queue: Option<Arc<Queue>>,
    usage: Usage,
}

/// Counts requests by result.
#[derive(Clone)]
struct Usage {
    requests: CounterFamily<3>,
    route: String,
}

// === impl TenantRateLimit ===

impl<C: Clock> TenantRateLimit<C> {
    /// Builds the plugin from its settings; tests pass a clock of their own.
    ///
    /// # Errors
    ///
    /// Every setting that is out of range.
    pub(crate) fn build(
        config: &Config,
        build: &Build<'_>,
        clock: C,
    ) -> std::result::Result<Self, ConfigErrors> {
        let Quotas { rate, burst } = config.quotas()?;
        let quota = Quota::per_minute(rate).allow_burst(burst);
        let limiter = Arc::new(RateLimiter::new(quota, DashMapStateStore::default(), clock));
        let labels = ["route", "tenant", "result"];
        let help = "Requests of tenants with a rate limit.";
        let requests = build.metrics.counter(names::RATE_LIMITED, help, &labels)?;
        // The time until the token bucket gets its next permit.
        let pace = Duration::from_secs(60) / rate.get();
        let queue = config.wait.map(|wait| Arc::new(Queue::new(wait, pace)));
        let usage = Usage { requests, route: build.route.to_owned() };
        Ok(Self { limiter, checks: AtomicU32::new(0), queue, usage })
    }

    /// Removes tenants whose quota is full again, at every [`CLEANUP_INTERVAL`]th request. The limiter would otherwise keep
    /// tenants that no longer exist.
    fn clean_up(&self) {
        // `Relaxed` suffices: the counter orders nothing, and an early or late clean-up does no harm.
        if self.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(CLEANUP_INTERVAL) {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

#[plugin]
impl<C: Clock + Send + Sync + 'static> Plugin for TenantRateLimit<C>
where
    C::Instant: Reference + Send + Sync + 'static,
{
    fn describe(&self, api: &mut RouteApi) {
        api.refusals.push((429, "The tenant is over its rate limit; Retry-After contains the time to wait."));
    }

    fn needs(&self) -> Needs {
        Needs { tenant: true, ..Needs::default() }
    }

    fn request_filter(&self, _head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        let tenant = cx.tenant().ok_or_else(|| {
            Problem::new(ProblemKind::Internal, "rate-limit needs a plugin before it that finds the tenant")
        })?;
        self.clean_up();
        let tenant = tenant.name.clone();
        let entry = match &self.queue {
            Some(queue) => queue.enter(&tenant, || take(&self.limiter, &tenant)),
            None => take(&self.limiter, &tenant).map(|()| Entry::Free),
        };
        match entry.map_err(|wait| self.usage.refuse(&tenant, wait))? {
            Entry::Free => self.usage.count(&tenant, "passed"),
            Entry::Waits(place) => {
                cx.wait_for(wait_for_turn(Arc::clone(&self.limiter), self.usage.clone(), tenant, place));
            }
        }
        Ok(Flow::Next)
    }
}

// === impl Usage ===

impl Usage {
    fn count(&self, tenant: &TenantName, result: &'static str) {
        self.requests.with(&[self.route.as_str(), tenant.as_str(), result]).inc();
    }

    /// Counts a refused request, and builds its problem with `wait` as `Retry-After`.
    fn refuse(&self, tenant: &TenantName, wait: Duration) -> Problem {
        self.count(tenant, "refused");
        Problem::new(ProblemKind::RateLimited, "the tenant is over its rate limit").with_retry_after(wait)
    }
}

/// Takes a permit from the limiter, or returns the time until the next one.
fn take<C: Clock>(limiter: &Limiter<C>, tenant: &TenantName) -> std::result::Result<(), Duration> {
    limiter.check_key(tenant).map_err(|refusal| refusal.wait_time_from(limiter.clock().now()))
}

/// Waits in the queue for the request's permit, and counts the result.
async fn wait_for_turn<C: Clock>(
    limiter: Arc<Limiter<C>>,
    usage: Usage,
    tenant: TenantName,
    place: Place,
) -> Result<()> {
    place.turn(|| take(&limiter, &tenant)).await.map_err(|wait| usage.refuse(&tenant, wait))?;
    usage.count(&tenant, "waited");
    Ok(())
}

impl<C: Clock> fmt::Debug for TenantRateLimit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantRateLimit").field("tenants", &self.limiter.len()).finish_non_exhaustive()
    }
}

/// In requests. A clean-up visits every tenant, so it must not run for each request.
const CLEANUP_INTERVAL: u32 = 1024;

#[cfg(test)]
mod tests;
