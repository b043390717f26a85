use std::pin::Pin;

use governor::clock::FakeRelativeClock;
use kyc_plugin_api::testkit;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::RateLimit;

type Turn = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A clock on Tokio's time, which tests can pause.
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Calls `request_filter`; returns the future that the request waits for, if it is queued.
fn call<C>(plugin: &TenantRateLimit<C>, tenant: &str) -> Result<Option<Turn>>
where
    C: Clock + Send + Sync + 'static,
    C::Instant: Reference + Send + Sync + 'static,
{
    let mut cx = testkit::ctx([]);
    cx.set_tenant(Arc::new(testkit::tenant(tenant, "https://o.example", "https://p.example")));
    plugin.request_filter(&testkit::head("GET", "/", &[]), &mut cx)?;
    Ok(cx.take_wait().map(|wait| Box::pin(wait) as Turn))
}

#[test]
fn rate_limit_passes_the_plugin_contract() {
    testkit::contract::<RateLimit>("requests_per_minute = 400\nburst = 50");
}

#[test]
fn zero_requests_per_minute_is_refused() {
    let refused = testkit::build::<RateLimit>("requests_per_minute = 0").unwrap_err().to_string();

    assert_eq!(refused, "requests_per_minute: must be greater than zero");
}

#[test]
fn only_the_tenant_over_its_rate_limit_is_refused() {
    let clock = FakeRelativeClock::default();
    let config = Config { requests_per_minute: 60, burst: Some(2), wait: None };
    let plugin = testkit::with_build(|build| TenantRateLimit::build(&config, build, clock.clone())).unwrap();

    let first = [call(&plugin, "acme"), call(&plugin, "acme")].map(|result| result.is_ok());
    let over = call(&plugin, "acme").err().unwrap();
    let other = call(&plugin, "globex").is_ok();
    clock.advance(Duration::from_secs(1));
    let later = call(&plugin, "acme").is_ok();

    assert_eq!((first, other, later), ([true, true], true, true));
    assert_eq!((over.kind(), over.retry_after()), (ProblemKind::RateLimited, Some(Duration::from_secs(1))));
}

#[tokio::test(start_paused = true)]
async fn queued_requests_are_released_in_order_and_counted() {
    let config = Config { requests_per_minute: 60, burst: Some(2), wait: Some(Duration::from_millis(3500)) };
    let began = Instant::now();
    let plugin =
        testkit::with_build(|build| TenantRateLimit::build(&config, build, TokioClock(began))).unwrap();

    let calls: Vec<_> = (0..5).map(|_| call(&plugin, "acme").unwrap()).collect();
    let refused = call(&plugin, "acme").err().unwrap();
    let mut turns = JoinSet::new();
    for (number, turn) in calls.into_iter().enumerate() {
        let Some(turn) = turn else { continue };
        turns.spawn(async move { (number, turn.await.is_ok(), began.elapsed().as_secs()) });
    }
    let mut seen = Vec::new();
    while let Some(turn) = turns.join_next().await {
        seen.push(turn.unwrap());
    }

    assert_eq!(seen, [(2, true, 1), (3, true, 2), (4, true, 3)]);
    assert_eq!(
        (refused.kind(), refused.retry_after()),
        (ProblemKind::RateLimited, Some(Duration::from_secs(4)))
    );
    let counts = ["passed", "waited", "refused"]
        .map(|result| plugin.usage.requests.with(&["test", "acme", result]).get());
    assert_eq!(counts, [2, 3, 1]);
}

#[tokio::test(start_paused = true)]
async fn cancelled_request_leaves_the_queue() {
    let config = Config { requests_per_minute: 60, burst: Some(1), wait: Some(Duration::from_secs(1)) };
    let clock = TokioClock(Instant::now());
    let plugin = testkit::with_build(|build| TenantRateLimit::build(&config, build, clock)).unwrap();
    call(&plugin, "acme").unwrap();

    let waiting = call(&plugin, "acme").unwrap().unwrap();
    let full = call(&plugin, "acme").is_err();
    drop(waiting);
    let next = call(&plugin, "acme").unwrap().unwrap();

    assert!(full);
    assert!(next.await.is_ok());
}

#[test]
fn wait_of_zero_or_over_5_minutes_is_refused() {
    for wait in ["0s", "6m"] {
        let settings = format!("requests_per_minute = 60\nwait = \"{wait}\"");
        let refused = testkit::build::<RateLimit>(&settings).unwrap_err().to_string();
        assert_eq!(refused, "wait: must be longer than zero, and at most 5 minutes");
    }
}
