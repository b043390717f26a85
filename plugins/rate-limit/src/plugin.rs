//! The rate limit.

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
pub struct PerTenant<C: Clock = DefaultClock> {
    limiter: Arc<Limiter<C>>,
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

// === impl PerTenant ===

impl<C: Clock> PerTenant<C> {
    pub(crate) fn build(
        config: &Config,
        build: &Build<'_>,
        clock: C,
    ) -> std::result::Result<Self, ConfigErrors> {
        let Quotas { rate, burst } = config.quotas()?;
        let quota = Quota::per_minute(rate).allow_burst(burst);
        let limiter = Arc::new(RateLimiter::new(quota, DashMapStateStore::default(), clock));
        let labels = ["route", "tenant", "result"];
        let help = "Requests of tenants with a rate.";
        let requests = build.metrics.counter(names::RATE_LIMITED, help, &labels)?;
        let pace = Duration::from_secs(60) / rate.get();
        let queue = config.wait.map(|wait| Arc::new(Queue::new(wait, pace)));
        let usage = Usage { requests, route: build.route.to_owned() };
        Ok(Self { limiter, checks: AtomicU32::new(0), queue, usage })
    }

    /// Removes tenants whose quota is full again, so that removed tenants take no memory.
    fn tidy(&self) {
        if self.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(CHECKS_BETWEEN_TIDYING) {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

#[plugin]
impl<C: Clock + Send + Sync + 'static> Plugin for PerTenant<C>
where
    C::Instant: Reference + Send + Sync + 'static,
{
    fn describe(&self, api: &mut RouteApi) {
        api.refusals
            .push((429, "The tenant's requests of this minute are used up; Retry-After says for how long."));
    }

    fn needs(&self) -> Needs {
        Needs { tenant: true, ..Needs::default() }
    }

    fn request_filter(&self, _head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        let tenant = cx.tenant().ok_or_else(|| {
            Problem::new(ProblemKind::Internal, "rate-limit stands before the plugin that finds the tenant")
        })?;
        self.tidy();
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

    fn refuse(&self, tenant: &TenantName, turn: Duration) -> Problem {
        self.count(tenant, "refused");
        Problem::new(ProblemKind::RateLimited, "the tenant is over its rate").with_retry_after(turn)
    }
}

/// Takes a permit of the limiter, or returns the time until there is one.
fn take<C: Clock>(limiter: &Limiter<C>, tenant: &TenantName) -> std::result::Result<(), Duration> {
    limiter.check_key(tenant).map_err(|refusal| refusal.wait_time_from(limiter.clock().now()))
}

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

impl<C: Clock> fmt::Debug for PerTenant<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerTenant").field("tenants", &self.limiter.len()).finish_non_exhaustive()
    }
}

const CHECKS_BETWEEN_TIDYING: u32 = 1024;

#[cfg(test)]
mod tests;
