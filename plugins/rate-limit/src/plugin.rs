//! The limit.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
use tokio::time::{Instant, sleep_until};

use crate::config::Config;

type Limiter<C> =
    RateLimiter<TenantName, DashMapStateStore<TenantName>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Counts the requests of each tenant.
pub struct PerTenant<C: Clock = DefaultClock> {
    limiter: Arc<Limiter<C>>,
    clock: C,
    checks: AtomicU32,
    /// For requests that wait for their turn.
    queue: Option<Queue>,
    usage: Usage,
}

/// Turns that are given away: one after the other for each tenant, none later than `wait` from now.
struct Queue {
    wait: Duration,
    /// From one turn to the next.
    pace: Duration,
    last: Mutex<HashMap<TenantName, Instant>>,
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
        if config.wait.is_some_and(|wait| wait.is_zero() || wait > LONGEST_WAIT) {
            return Err("wait: must be longer than zero, and at most 5 minutes".to_owned());
        }
        let pace = Duration::from_secs(60) / rate.get();
        let queue = config.wait.map(|wait| Queue { wait, pace, last: Mutex::default() });
        let usage = Usage { requests, route: build.route.to_owned() };
        Ok(Self { limiter, clock, checks: AtomicU32::new(0), queue, usage })
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
        let now = Instant::now();
        // Whoever comes now does not overtake those that wait.
        let is_queued = self.queue.as_ref().is_some_and(|queue| queue.is_waited_for(&tenant, now));
        let turn = if is_queued {
            Duration::ZERO
        } else {
            let Err(refusal) = self.limiter.check_key(&tenant) else {
                self.usage.count(&tenant, "passed");
                return Ok(Flow::Next);
            };
            refusal.wait_time_from(self.clock.now())
        };
        let Some(queue) = &self.queue else { return Err(self.usage.refuse(&tenant, turn)) };
        let at = queue.give(&tenant, now, turn).map_err(|turn| self.usage.refuse(&tenant, turn))?;
        let (limiter, clock, usage) = (Arc::clone(&self.limiter), self.clock.clone(), self.usage.clone());
        cx.wait_for(wait_for_turn(limiter, clock, usage, tenant, at, queue.wait));
        Ok(Flow::Next)
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

// === impl Queue ===

impl Queue {
    fn is_waited_for(&self, tenant: &TenantName, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.get(tenant) {
            Some(turn) if *turn > now => true,
            Some(_) => {
                last.remove(tenant);
                false
            }
            None => false,
        }
    }

    /// Gives a turn away, the first one `first` from now; or says how long it would take, which is too long.
    fn give(
        &self,
        tenant: &TenantName,
        now: Instant,
        first: Duration,
    ) -> std::result::Result<Instant, Duration> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let next = last.get(tenant).map_or(now + first, |turn| (*turn + self.pace).max(now + first));
        let wait = next - now;
        if wait > self.wait {
            return Err(wait);
        }
        last.insert(tenant.clone(), next);
        Ok(next)
    }
}

/// Waits for the turn that was given, and takes the cell that is free then; a clock that runs differently costs another
/// moment.
async fn wait_for_turn<C: Clock>(
    limiter: Arc<Limiter<C>>,
    clock: C,
    usage: Usage,
    tenant: TenantName,
    turn: Instant,
    patience: Duration,
) -> Result<()> {
    let latest = turn + patience;
    let mut turn = turn;
    loop {
        sleep_until(turn).await;
        let Err(refusal) = limiter.check_key(&tenant) else {
            usage.count(&tenant, "waited");
            return Ok(());
        };
        let wait = refusal.wait_time_from(clock.now());
        turn = Instant::now() + wait;
        if turn > latest {
            return Err(usage.refuse(&tenant, wait));
        }
    }
}

/// Longer than callers wait for an answer.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

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

    #[tokio::test]
    async fn turns_are_given_one_after_the_other_within_the_wait() {
        let queue =
            Queue { wait: Duration::from_secs(3), pace: Duration::from_secs(1), last: Mutex::default() };
        let (acme, globex, now) = (TenantName::new("acme"), TenantName::new("globex"), Instant::now());
        let first = Duration::from_millis(500);

        let turns = [(); 4].map(|()| queue.give(&acme, now, first).map(|turn| turn - now));
        let other = queue.give(&globex, now, first).map(|turn| turn - now);
        let later = now + Duration::from_secs(10);

        let milliseconds = Duration::from_millis;
        let expected =
            [Ok(milliseconds(500)), Ok(milliseconds(1500)), Ok(milliseconds(2500)), Err(milliseconds(3500))];
        assert_eq!((turns, other), (expected, Ok(first)));
        assert!(queue.is_waited_for(&acme, now) && !queue.is_waited_for(&acme, later));
        assert_eq!(queue.last.lock().unwrap().len(), 1, "who waits no more is forgotten");
    }

    #[test]
    fn a_wait_that_no_caller_has_is_refused() {
        for wait in ["0s", "6m"] {
            let settings = format!("requests_per_minute = 60\nwait = \"{wait}\"");
            let refused = testkit::build::<RateLimit>(&settings).unwrap_err();
            assert_eq!(refused, "wait: must be longer than zero, and at most 5 minutes");
        }
    }
}
