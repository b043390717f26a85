//! One attempt to deliver one event, and its record.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use kyc_events::{
    Attempt, Claim, Command, DeadReason, DueEvent, Effect, Failure, Finish, Millis, Next, ParkReason, Source,
    now,
};
use kyc_model::{Correlation, Event, Tenant};
use kyc_portal::{DeliveryClass, DeliveryError, PortalResponse};
use kyc_resilience::failpoint;
use rand::RngExt;
use tokio::time::{Instant, sleep};

use crate::context::DeliveryContext;
use crate::lookup::{LookupError, Prepared};
use crate::retry::{self, Age};

/// The result of an attempt, after it was recorded.
#[derive(Debug)]
pub(crate) struct AttemptResult {
    pub(crate) claim: Claim,
    /// The lane.
    pub(crate) tenant: String,
    /// The tenant's name at receipt.
    pub(crate) received_for: String,
    /// When the next attempt is due, if there is one.
    pub(crate) due: Option<Millis>,
    /// `None` for an event that could not be read or a panic: neither says anything about the portal.
    pub(crate) outcome: Option<Result<(), DeliveryError>>,
}

/// When an event was claimed, by the wall clock and the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimTime {
    pub(crate) wall: Millis,
    pub(crate) at: Instant,
    /// Whether the attempt is a probe of a held portal.
    pub(crate) is_probe: bool,
}

/// Delivers an event and records the result; returns only after the store has committed it. Without a recipient, the event
/// is parked.
pub(crate) async fn attempt(
    context: DeliveryContext,
    lane: String,
    recipient: Option<Arc<Tenant>>,
    due: DueEvent,
    claimed: ClaimTime,
) -> AttemptResult {
    let (at, begun) = (now(), Instant::now());
    let is_known = context.keyring.contains(due.body.key_id);
    let tenant = match recipient {
        Some(tenant) if is_known => tenant,
        Some(_) => return park(&context, lane, due, at, ParkReason::UnknownKey).await,
        None => return park(&context, lane, due, at, ParkReason::UnknownCustomer).await,
    };
    let event = context
        .keyring
        .open(due.uid, &due.owner, &due.body)
        .ok()
        .and_then(|body| Event::parse(&Bytes::from(body)).ok());
    failpoint!("claimed");
    let mut answer = None;
    let prepared = match event {
        Some(event) => Some(context.lookup.prepare(&tenant, event).await),
        None => None,
    };
    let (outcome, next) = match &prepared {
        Some(Prepared::Deliver(event)) => {
            let outcome;
            (outcome, answer) = deliver(&context, &tenant, event, &due, begun).await;
            failpoint!("answered");
            let next = match &outcome {
                Ok(()) => Next::Delivered,
                Err(error) => after_failure(&context, &due, claimed, error),
            };
            (Some(outcome), next)
        }
        // Nothing was sent, which says nothing about the portal.
        Some(Prepared::Withhold(_)) => (None, Next::Dead(DeadReason::Environment)),
        Some(Prepared::Unknown(error)) => (None, after_failed_lookup(&context, &due, claimed, error)),
        None => (None, Next::Dead(DeadReason::Poison)),
    };
    let error = outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
    let unsent = prepared.as_ref().and_then(Prepared::reason_not_to_send);
    // Logged before the result is recorded, because recording waits until the store is available.
    log_failed(&context, &due, &lane, (error, unsent.as_deref()), next);
    let record = Attempt {
        at,
        took_ms: i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX),
        status: answer.as_ref().map(|answer| answer.status).or_else(|| error.and_then(DeliveryError::status)),
        error: error.map(reason).or(unsent),
        failure: error.map(|error| failure(error.class())),
        answer: answer
            // A success needs no diagnosis, and every probe of a long outage gets the same answer.
            .filter(|answer| {
                !answer.body_start.is_empty()
                    && error.is_some_and(|error| !claimed.is_probe || error.rejects_event())
            })
            .and_then(|answer| context.keyring.seal_answer(due.uid, &due.owner, &answer.body_start).ok()),
    };
    let end = Finish { claim: due.claim, attempt: record, next };
    let next = record_result(&context, end).await;
    if let (Next::Delivered, Some(started)) = (next, due.started) {
        context.metrics.observe_delivery(&lane, started);
    }
    failpoint!("recorded");
    AttemptResult { claim: due.claim, tenant: lane, received_for: due.owner.tenant, due: next.due(), outcome }
}

/// Decides the next state of an event that the portal did not accept.
pub(crate) fn after_failure(
    context: &DeliveryContext,
    due: &DueEvent,
    claimed: ClaimTime,
    error: &DeliveryError,
) -> Next {
    let ClaimTime { wall, at, .. } = claimed;
    // The wall clock may have jumped since; an event in flight must not expire because of that.
    let age = wall.saturating_sub(due.received).saturating_add(retry::millis(at.elapsed()));
    let age = Age { attempts: due.attempts, refusals: due.refusals, age, now: now() };
    retry::after(error, age, &context.config, rand::rng().random())
}

/// Decides the next state of an event whose environment cannot be told now. It is tried again as after any passing failure.
fn after_failed_lookup(
    context: &DeliveryContext,
    due: &DueEvent,
    claimed: ClaimTime,
    error: &LookupError,
) -> Next {
    let passing = match error.retry_after() {
        Some(retry_after) => DeliveryError::Busy { status: 429, retry_after },
        None => DeliveryError::Deadline,
    };
    after_failure(context, due, claimed, &passing)
}

/// Returns the failure class as the store keeps it.
fn failure(class: DeliveryClass) -> Failure {
    match class {
        DeliveryClass::Transient => Failure::Transient,
        DeliveryClass::Login => Failure::Login,
        DeliveryClass::Session => Failure::Session,
        DeliveryClass::Endpoint => Failure::Endpoint,
        DeliveryClass::Event => Failure::Event,
        DeliveryClass::Refused => Failure::Refused,
    }
}

/// Parks an event that must not or cannot be delivered. A gateway that has its key makes it waiting again.
async fn park(
    context: &DeliveryContext,
    lane: String,
    due: DueEvent,
    at: Millis,
    reason: ParkReason,
) -> AttemptResult {
    let (event, key) = (due.uid, format!("{:08x}", due.body.key_id));
    tracing::error!(%event, tenant = due.owner.tenant, key, reason = reason.name(), "event parked");
    let error = match reason {
        ParkReason::UnknownKey => "the event is encrypted with a key that is not configured",
        ParkReason::UnknownCustomer => "no tenant of the document is the event's customer",
    };
    let attempt =
        Attempt { at, took_ms: 0, status: None, error: Some(error.to_owned()), failure: None, answer: None };
    let end = Finish { claim: due.claim, attempt, next: Next::Parked(reason) };
    record_result(context, end).await;
    AttemptResult { claim: due.claim, tenant: lane, received_for: due.owner.tenant, due: None, outcome: None }
}

async fn deliver(
    context: &DeliveryContext,
    tenant: &Arc<Tenant>,
    event: &Event,
    due: &DueEvent,
    begun: Instant,
) -> (Result<(), DeliveryError>, Option<PortalResponse>) {
    let mut answer = None;
    let deadline = begun + context.config.attempt;
    let delivered =
        context.portals.deliver(tenant, event, &delivery_headers(due), deadline, &mut answer).await;
    (delivered, answer)
}

/// Retries until the store has recorded the result, and returns the next state of the event.
pub(crate) async fn record_result(context: &DeliveryContext, mut end: Finish) -> Next {
    let (decided, wall, at) = (end.next, now(), Instant::now());
    let mut recorded = context.commit_queue.submit(Command::Finish(end.clone())).await;
    if recorded.is_err() {
        context.pending_results.begin();
        while recorded.is_err() {
            sleep(RETRY_INTERVAL).await;
            // The wall clock may have jumped meanwhile. The shift of due times did not reach this result: it is not stored.
            let jumped = now().saturating_sub(wall).saturating_sub(retry::millis(at.elapsed()));
            end.next = retry::moved(decided, jumped);
            recorded = context.commit_queue.submit(Command::Finish(end.clone())).await;
        }
        context.pending_results.end();
    }
    if matches!(recorded, Ok(Effect::Nothing)) {
        tracing::warn!("the claim expired before the delivery ended; the result is not recorded");
    }
    end.next
}

/// Returns the error and its root cause. Neither contains text from the portal.
pub(crate) fn reason(error: &DeliveryError) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Returns the headers of a delivery: an idempotency key for the portal, the request id and the trace context, and the source
/// of an event that Onfido has not notified.
fn delivery_headers(due: &DueEvent) -> HeaderMap {
    let uid = due.uid.to_string();
    let fields = [
        ("idempotency-key", uid.clone()),
        ("x-event-id", uid),
        ("x-attempt", (due.attempts + 1).to_string()),
    ];
    let mut headers = Correlation::parse(&due.trace).headers();
    if due.source == Source::Reconciliation {
        headers.insert("x-event-source", HeaderValue::from_static(due.source.name()));
    }
    headers.extend(fields.into_iter().filter_map(|(name, value)| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
    }));
    headers
}

fn log_failed(
    context: &DeliveryContext,
    due: &DueEvent,
    tenant: &str,
    (error, unsent): (Option<&DeliveryError>, Option<&str>),
    next: Next,
) {
    let Correlation { request_id, .. } = Correlation::parse(&due.trace);
    let event = due.uid;
    let attempt = due.attempts + 1;
    let class = match (error, unsent) {
        (Some(error), _) => error.class().name(),
        (None, Some(_)) => "lookup",
        (None, None) => "delivered",
    };
    let error = error.map(ToString::to_string).or(unsent.map(str::to_owned)).unwrap_or_default();
    if !matches!(next, Next::Dead(DeadReason::Poison | DeadReason::Environment)) {
        context.metrics.attempts.with(&[tenant, class]).inc();
    }
    match next {
        Next::Delivered => {
            context.metrics.observe_delay(tenant, due.received);
            tracing::info!(%event, request_id, tenant, attempt, "event delivered");
        }
        Next::Waiting { .. } => {
            tracing::warn!(%event, request_id, tenant, attempt, class, error, "event not delivered yet");
        }
        // `park` has logged it; nothing was sent.
        Next::Parked(_) => {}
        Next::Dead(reason @ DeadReason::Environment) => {
            context.metrics.dead.with(&[tenant, reason.name()]).inc();
            tracing::warn!(%event, request_id, tenant, error, "event withheld because of its environment");
        }
        Next::Dead(reason @ (DeadReason::Rejected | DeadReason::Exhausted | DeadReason::Poison)) => {
            context.metrics.dead.with(&[tenant, reason.name()]).inc();
            tracing::error!(%event, request_id, tenant, attempt, reason = reason.name(), error, "event is dead");
        }
    }
}

/// Pause before a result is written again that the store did not commit.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
