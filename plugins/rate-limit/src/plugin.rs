//! The limit.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use kyc_model::TenantName;
use kyc_plugin_api::{Build, Ctx, Flow, Phases, Plugin, Problem, ProblemKind, Result, RouteApi};
use kyc_telemetry::names;
use pingora_http::RequestHeader;
use prometheus::IntCounterVec;
use tokio::time::{Instant, sleep};

use crate::config::Config;

type Limiter<C> =
    RateLimiter<TenantName, DashMapStateStore<TenantName>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Counts the requests of each tenant.
pub struct PerTenant<C: Clock = DefaultClock> {
    limiter: Arc<Limiter<C>>,
    clock: C,
    checks: AtomicU32,
    wait: Option<Duration>,
    usage: Usage,
}

/// What became of a tenant's requests.
#[derive(Clone)]
struct Usage {
    requests: IntCounterVec,
    route: String,
}

// === impl PerTenant ===

impl<C: Clock + Clone> PerTenant<C> {
    pub(crate) fn build(config: &Config, build: &Build<'_>, clock: C) -> std::result::Result<Self, String> {
        let positive = |key: &str, value: u32| {
            NonZeroU32::new(value).ok_or_else(|| format!("{key}: must be greater than zero"))
        };
        let rate = positive("requests_per_minute", config.requests_per_minute)?;
        let burst = positive("burst", config.burst.unwrap_or(config.requests_per_minute))?;
        let quota = Quota::per_minute(rate).allow_burst(burst);
        let limiter = Arc::new(RateLimiter::new(quota, DashMapStateStore::default(), clock.clone()));
        let labels = ["route", "tenant", "result"];
        let help = "Requests of tenants with a rate.";
        let requests = build.collectors.counter(names::RATE_LIMITED, help, &labels)?;
        let usage = Usage { requests, route: build.route.to_owned() };
        Ok(Self { limiter, clock, checks: AtomicU32::new(0), wait: config.wait, usage })
    }

    /// Forgets tenants whose quota is full again, so that removed tenants do not pile up.
    fn tidy(&self) {
        if self.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(CHECKS_BETWEEN_TIDYING) {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

impl<C: Clock + Clone + Send + Sync + 'static> Plugin for PerTenant<C>
where
    C::Instant: Reference + Send + Sync + 'static,
{
    fn describe(&self, api: &mut RouteApi) {
        api.refusals
            .push((429, "The tenant's requests of this minute are used up; Retry-After says for how long."));
    }

    fn phases(&self) -> Phases {
        Phases::REQUEST
    }

    fn request_filter(&self, _head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        let tenant = cx.tenant().ok_or_else(|| {
            Problem::new(ProblemKind::Internal, "rate-limit stands before the plugin that finds the tenant")
        })?;
        self.tidy();
        let tenant = tenant.name.clone();
        let Err(refusal) = self.limiter.check_key(&tenant) else {
            self.usage.count(&tenant, "passed");
            return Ok(Flow::Next);
        };
        let turn = refusal.wait_time_from(self.clock.now());
        match self.wait.filter(|wait| turn <= *wait) {
            Some(wait) => {
                let (limiter, clock, usage) =
                    (Arc::clone(&self.limiter), self.clock.clone(), self.usage.clone());
                cx.wait_for(wait_for_turn(limiter, clock, usage, tenant, turn, wait));
                Ok(Flow::Next)
            }
            None => Err(self.usage.refuse(&tenant, turn)),
        }
    }
}

// === impl Usage ===

impl Usage {
    fn count(&self, tenant: &TenantName, result: &'static str) {
        self.requests.with_label_values(&[self.route.as_str(), tenant.as_str(), result]).inc();
    }

    fn refuse(&self, tenant: &TenantName, turn: Duration) -> Problem {
        self.count(tenant, "refused");
        Problem::new(ProblemKind::RateLimited, "the tenant is over its rate").with_retry_after(turn)
    }
}

/// Tries again each time that a turn may have come; others may have taken it.
async fn wait_for_turn<C: Clock>(
    limiter: Arc<Limiter<C>>,
    clock: C,
    usage: Usage,
    tenant: TenantName,
    mut turn: Duration,
    wait: Duration,
) -> Result<()> {
    let latest = Instant::now() + wait;
    while Instant::now() + turn <= latest {
        sleep(turn).await;
        match limiter.check_key(&tenant) {
            Ok(()) => {
                usage.count(&tenant, "waited");
                return Ok(());
            }
            Err(refusal) => turn = refusal.wait_time_from(clock.now()),
        }
    }
    Err(usage.refuse(&tenant, turn))
}

impl<C: Clock> fmt::Debug for PerTenant<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerTenant").field("tenants", &self.limiter.len()).finish_non_exhaustive()
    }
}

const CHECKS_BETWEEN_TIDYING: u32 = 1024;

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use kyc_plugin_api::testkit;

    use super::*;
    use crate::RateLimit;

    fn call(plugin: &PerTenant<FakeRelativeClock>, tenant: &str) -> Result<Flow> {
        let mut cx = testkit::ctx([]);
        cx.set_tenant(Arc::new(testkit::tenant(tenant, "https://o.example", "https://p.example")));
        plugin.request_filter(&testkit::head("GET", "/", &[]), &mut cx)
    }

    #[test]
    fn keeps_the_contract() {
        testkit::contract::<RateLimit>("requests_per_minute = 400\nburst = 50");
    }

    #[test]
    fn zero_is_refused_by_its_key() {
        let refused = testkit::build::<RateLimit>("requests_per_minute = 0").unwrap_err();

        assert_eq!(refused, "requests_per_minute: must be greater than zero");
    }

    #[test]
    fn a_tenant_over_its_rate_waits_and_others_do_not() {
        let clock = FakeRelativeClock::default();
        let config = Config { requests_per_minute: 60, burst: Some(2), wait: None };
        let plugin = testkit::with_build(|build| PerTenant::build(&config, build, clock.clone())).unwrap();

        let first = [call(&plugin, "acme"), call(&plugin, "acme")].map(|result| result.is_ok());
        let over = call(&plugin, "acme").unwrap_err();
        let other = call(&plugin, "globex").is_ok();
        clock.advance(Duration::from_secs(1));
        let later = call(&plugin, "acme").is_ok();

        assert_eq!((first, other, later), ([true, true], true, true));
        assert_eq!(
            (over.kind(), over.retry_after()),
            (ProblemKind::RateLimited, Some(Duration::from_secs(1)))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_its_turn_but_not_for_ever() {
        let plugin =
            testkit::build::<RateLimit>("requests_per_minute = 60\nburst = 1\nwait = \"1500ms\"").unwrap();
        let cx = || {
            let mut cx = testkit::ctx([]);
            cx.set_tenant(Arc::new(testkit::tenant("acme", "https://o.example", "https://p.example")));
            plugin.request_filter(&testkit::head("GET", "/", &[]), &mut cx).map(|_| cx)
        };

        let passed = cx().unwrap().take_wait().is_none();
        let waits = cx().unwrap().take_wait().unwrap();
        let began = Instant::now();
        // The limiter's clock is the real one, and has not moved: there is no turn within the time.
        let refused = waits.await.unwrap_err();

        assert!(passed && began.elapsed() <= Duration::from_millis(1500), "{:?}", began.elapsed());
        assert_eq!(refused.kind(), ProblemKind::RateLimited);
    }
}
