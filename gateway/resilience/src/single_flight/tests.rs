use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::{FutureExt, join_all};
use kyc_model::testkit::tenant;

use super::{Abandoned, PAUSE, SingleFlight, Tenant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Made(u32),
    Abandoned,
}

impl From<Abandoned> for Failure {
    fn from(_: Abandoned) -> Self {
        Self::Abandoned
    }
}

fn acme() -> Tenant {
    tenant("acme", "http://onfido.test", "http://portal.test")
}

fn any(_: &u32) -> bool {
    true
}

async fn slow() -> Result<u32, Failure> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(1)
}

async fn broken() -> Result<u32, Failure> {
    panic!("a bug")
}

#[tokio::test(start_paused = true)]
async fn concurrent_calls_make_the_value_once() {
    let (values, acme, made) = (SingleFlight::<u32, Failure>::new(), acme(), AtomicU32::new(0));
    let make = || async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(made.fetch_add(1, Ordering::SeqCst))
    };

    let all = join_all((0..50).map(|_| values.value(&acme, any, make()))).await;

    assert_eq!(made.load(Ordering::SeqCst), 1);
    assert!(all.iter().all(|value| value.as_ref().is_ok_and(|value| **value == 0)));
}

#[tokio::test(start_paused = true)]
async fn unusable_value_is_replaced() {
    let (values, acme) = (SingleFlight::<u32, Failure>::new(), acme());

    let first = values.value(&acme, any, ready(Ok(1))).await;
    let second = values.value(&acme, |value| *value > 1, ready(Ok(2))).await;

    assert_eq!((first, second), (Ok(Arc::new(1)), Ok(Arc::new(2))));
}

#[tokio::test(start_paused = true)]
async fn failure_is_cached_for_a_second_for_all_callers() {
    let (values, acme) = (SingleFlight::<u32, Failure>::new(), acme());

    let first = values.value(&acme, any, ready(Err(Failure::Made(1)))).await;
    let second = values.value(&acme, any, ready(Ok(2))).await;
    tokio::time::advance(PAUSE).await;
    let third = values.value(&acme, any, ready(Ok(3))).await;

    assert_eq!((first, second), (Err(Failure::Made(1)), Err(Failure::Made(1))));
    assert_eq!(third, Ok(Arc::new(3)));
}

#[tokio::test(start_paused = true)]
async fn cancelled_attempts_are_retried_only_after_the_pause() {
    let (values, acme) = (SingleFlight::<u32, Failure>::new(), acme());
    let given_up = values.value(&acme, any, pending());
    assert!(tokio::time::timeout(Duration::from_millis(10), given_up).await.is_err());

    let soon = values.value(&acme, any, ready(Ok(2))).await;
    tokio::time::advance(PAUSE).await;
    let later = values.value(&acme, any, ready(Ok(3))).await;

    assert_eq!((soon, later), (Err(Failure::Abandoned), Ok(Arc::new(3))));
}

/// Regression: if every caller disconnected during its call, the value was never made.
#[tokio::test(start_paused = true)]
async fn caller_that_disconnects_does_not_cancel_a_separate_task() {
    let (values, acme) = (SingleFlight::<u32, Failure>::new(), acme());
    assert!(values.value_apart(&acme, any, slow).now_or_never().is_none());
    assert!(values.value_apart(&acme, any, broken).now_or_never().is_none());

    let next = values.value_apart(&acme, any, || ready(Ok(2))).await;

    assert_eq!(next, Ok(Arc::new(1)));
}

#[tokio::test(start_paused = true)]
async fn panic_in_a_separate_task_blocks_callers_only_for_the_pause() {
    let (values, acme) = (SingleFlight::<u32, Failure>::new(), acme());

    let first = values.value_apart(&acme, any, broken).await;
    let soon = values.value_apart(&acme, any, || ready(Ok(2))).await;
    tokio::time::advance(PAUSE).await;
    let later = values.value_apart(&acme, any, || ready(Ok(3))).await;

    assert_eq!((first, soon), (Err(Failure::Abandoned), Err(Failure::Abandoned)));
    assert_eq!(later, Ok(Arc::new(3)));
}

#[tokio::test(start_paused = true)]
async fn changed_entry_shares_nothing_with_the_old_one() {
    let (values, old) = (SingleFlight::<u32, Failure>::new(), acme());
    let changed = Tenant { fingerprint: old.fingerprint + 1, ..old.clone() };

    let first = values.value(&old, any, ready(Ok(1))).await;
    let second = values.value(&changed, any, ready(Ok(2))).await;

    assert_eq!((first, second), (Ok(Arc::new(1)), Ok(Arc::new(2))));
}

#[tokio::test(start_paused = true)]
async fn only_the_value_that_was_used_is_dropped() {
    let (values, acme) = (SingleFlight::<u32, Failure>::new(), acme());
    let stale = values.value(&acme, any, ready(Ok(1))).await.unwrap();

    values.forget(&acme, &stale).await;
    let fresh = values.value(&acme, any, ready(Ok(2))).await.unwrap();
    values.forget(&acme, &stale).await;
    let kept = values.value(&acme, any, ready(Ok(3))).await;

    assert_eq!((*fresh, kept), (2, Ok(Arc::new(2))));
}

#[tokio::test(start_paused = true)]
async fn failure_is_reused_as_long_as_the_caller_says() {
    let (values, acme) = (SingleFlight::<u32, Failure>::new(), acme());
    let minute = |_: &Failure| Duration::from_secs(60);
    let first = values.value_with_pause(&acme, any, minute, ready(Err(Failure::Made(1)))).await;
    tokio::time::advance(Duration::from_secs(59)).await;

    let reused = values.value_with_pause(&acme, any, minute, ready(Ok(2))).await;
    let other = values.value(&acme, any, ready(Ok(3))).await;

    assert_eq!((first, reused), (Err(Failure::Made(1)), Err(Failure::Made(1))));
    assert_eq!(other.as_deref(), Ok(&3), "for other callers the pause is a second");
}
