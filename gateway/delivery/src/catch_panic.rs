//! Catches panics of attempts: the slot is released, and the third panic makes the event dead.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kyc_events::{Attempt, DeadReason, DueEvent, Failure, Finish, Millis, Next, now};
use kyc_model::Tenant;
use kyc_portal::DeliveryError;
use tokio::time::{Instant, sleep};

use crate::attempt::{AttemptResult, ClaimTime, after_failure, attempt, record_result};
use crate::context::DeliveryContext;

/// Delivers and records, as [`attempt`] does. A panic counts as a failed attempt with its own class.
pub(crate) async fn attempt_catching_panics(
    context: DeliveryContext,
    lane: String,
    recipient: Option<Arc<Tenant>>,
    due: DueEvent,
    claimed: ClaimTime,
) -> AttemptResult {
    let (at, begun) = (now(), Instant::now());
    let tried = attempt(context.clone(), lane.clone(), recipient, due.clone(), claimed);
    if let Ok(attempted) = AssertUnwindSafe(tried).catch_unwind().await {
        return attempted;
    }
    let recorded =
        AssertUnwindSafe(record_panic(&context, &lane, &due, claimed, at, begun)).catch_unwind().await;
    let next = match recorded {
        Ok(next) => next,
        Err(_) => {
            tracing::error!(event = %due.uid, tenant = lane, "an attempt that panicked cannot be recorded");
            // The event is due again at once; the pause prevents a busy loop.
            sleep(PAUSE).await;
            Next::Waiting { due: now(), counted: false }
        }
    };
    AttemptResult {
        claim: due.claim,
        tenant: lane,
        received_for: due.owner.tenant,
        due: next.due(),
        outcome: None,
    }
}

/// Records a panic and returns the next state of the event.
async fn record_panic(
    context: &DeliveryContext,
    lane: &str,
    due: &DueEvent,
    claimed: ClaimTime,
    at: Millis,
    begun: Instant,
) -> Next {
    // When the store cannot be read, the count is unknown, and the event expires by its age.
    let tries = (context.readers)().attempts(due.uid).await.unwrap_or_default();
    let panics = tries.iter().filter(|one| one.failure == Some(Failure::Internal)).count() + 1;
    let next = if panics >= MAX_PANICS {
        Next::Dead(DeadReason::Poison)
    } else {
        after_failure(context, due, claimed, &DeliveryError::Deadline)
    };
    context.metrics.attempts.with(&[lane, Failure::Internal.name()]).inc();
    if let Next::Dead(reason) = next {
        context.metrics.dead.with(&[lane, reason.name()]).inc();
    }
    let reason = next.reason();
    tracing::error!(event = %due.uid, tenant = lane, panics, given_up = reason, "the attempt of an event panicked");
    let attempt = Attempt {
        at,
        took_ms: i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX),
        status: None,
        error: Some("the delivery attempt panicked in the gateway".to_owned()),
        failure: Some(Failure::Internal),
        answer: None,
    };
    record_result(context, Finish { claim: due.claim, attempt, next }).await
}

/// Panics after which an event is dead.
const MAX_PANICS: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);
