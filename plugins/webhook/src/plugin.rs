//! The plugin: verifies a notification and hands it to the intake.
//!
//! The work is split between two phases. `request_filter` refuses by the head alone, so that the gateway reads no body
//! for a request that fails anyway. `request_body_filter` verifies the signature, which needs the whole body.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use kyc_events::{Accepted, Intake, Notification};
use kyc_model::{Correlation, Event, Tenant};
use kyc_onfido_client::AccessTokens;
use kyc_plugin_api::{
    BodyBuffering, Build, Challenge, ConfigErrors, CounterFamily, Ctx, Flow, Needs, Outcome, Plugin, Problem,
    ProblemKind, Result, RouteApi, plugin,
};
use kyc_resilience::failpoint;
use kyc_telemetry::names;
use pingora_http::RequestHeader;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::content_type::require_json;
use crate::dropped_events::DroppedEvents;
use crate::event_filter::{EventFilter, Selection};
use crate::signature::{Signature, SignatureError};
use crate::signing_tokens::SigningTokens;
use crate::{Config, SignaturePolicy, configuration_name, description};

/// Receives the notifications of one route.
pub struct Notifications {
    verification: Verification,
    events: EventFilter,
    dropped: DroppedEvents,
    max_body: usize,
    deadline: Duration,
    intake: Arc<dyn Intake>,
    counted: CounterFamily<2>,
    unsigned: CounterFamily<1>,
}

enum Verification {
    Required(SigningTokens),
    Off,
}

/// The result of a notification that is answered 200.
#[derive(Clone, Copy, Debug)]
enum Handled {
    Delivered,
    Stored,
    Revived,
    Duplicate,
    Withheld,
    Dead,
    Ignored,
}

/// When the response must be sent. It counts from the request head, because Onfido's timeout does too.
#[derive(Clone, Copy)]
struct Deadline(Instant);

// === impl Handled ===

impl Handled {
    fn of(accepted: Accepted) -> Self {
        match accepted {
            Accepted::Delivered => Self::Delivered,
            Accepted::Stored => Self::Stored,
            Accepted::Revived => Self::Revived,
            Accepted::Duplicate => Self::Duplicate,
            Accepted::Withheld => Self::Withheld,
        }
    }

    /// Returns the value of the label `result`.
    fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Stored => "stored",
            Self::Revived => "revived",
            Self::Duplicate => "duplicate",
            Self::Withheld => "withheld",
            Self::Dead => "dead",
            Self::Ignored => "ignored",
        }
    }
}

// === impl Notifications ===

impl Notifications {
    /// Builds the plugin from its settings. Reads the certificate file; opens no connection.
    ///
    /// # Errors
    ///
    /// Every setting that is out of range; a certificate file that cannot be read; a missing `Intake` service.
    pub(crate) fn new(config: &Config, build: &Build<'_>) -> std::result::Result<Self, ConfigErrors> {
        config.check()?;
        let verification = match config.signature {
            SignaturePolicy::Required => {
                let tokens = build.services.get::<AccessTokens>()?;
                let tokens =
                    SigningTokens::new(&config.onfido, build.folder, build.metrics, (*tokens).clone());
                Verification::Required(tokens?)
            }
            SignaturePolicy::Off => {
                build.warnings.add(format!(
                    "SIGNATURES ARE NOT VERIFIED: anyone can post events to route `{}`",
                    build.route
                ));
                Verification::Off
            }
        };
        let intake = build.services.get::<dyn Intake>();
        Ok(Self {
            verification,
            events: EventFilter::new(&config.events),
            dropped: DroppedEvents::new(build.metrics)?,
            max_body: usize::try_from(config.max_body.as_u64()).unwrap_or(usize::MAX),
            deadline: config.deadline,
            intake: intake?,
            counted: build.metrics.counter(
                names::WEBHOOK_EVENTS,
                "Notifications by result.",
                &["tenant", "result"],
            )?,
            unsigned: build.metrics.counter(
                names::WEBHOOK_UNSIGNED,
                "Notifications accepted without verification of a signature.",
                &["tenant"],
            )?,
        })
    }

    /// Refuses a notification whose declared length is over the limit. One that may be Onfido's counts for its tenant: its signature
    /// cannot be verified without the body, but an operator must learn that notifications are refused.
    fn too_large(&self, head: &RequestHeader, cx: &mut Ctx) -> Problem {
        let may_be_signed = match self.verification {
            Verification::Required(_) => Signature::from_head(head).is_ok(),
            Verification::Off => true,
        };
        if may_be_signed && let Ok(Some(tenant)) = configuration_name::tenant(cx) {
            cx.set_tenant(tenant);
        }
        Problem::new(ProblemKind::BodyTooLarge, "notification declares a body over the limit")
    }

    fn is_verifying(&self) -> bool {
        matches!(self.verification, Verification::Required(_))
    }

    async fn handle(
        &self,
        head: &RequestHeader,
        body: &Bytes,
        tenant: &Tenant,
        cx: &Ctx,
        deadline: Instant,
    ) -> Result<Handled> {
        failpoint!("received");
        self.verify(cx.extensions().get::<Signature>(), body, tenant).await?;
        require_json(head)?;
        let correlation = Correlation::new(cx.request_id(), cx.trace(head));
        // A body that is not an event goes to the intake too, which stores or refuses it. The signature proves that Onfido
        // sent it, so a stored copy is worth keeping for the operator.
        let event = Event::parse(body).ok();
        match event.as_ref().map_or(Selection::Deliver, |event| self.events.select(tenant, event)) {
            Selection::Deliver => {}
            Selection::Drop(kind) => {
                self.dropped.count(&tenant.name, kind);
                debug!(request_id = correlation.request_id, tenant = %tenant.name, kind, "notification ignored");
                return Ok(Handled::Ignored);
            }
            Selection::Unwanted => {
                debug!(request_id = correlation.request_id, tenant = %tenant.name, "unwanted notification ignored");
                return Ok(Handled::Ignored);
            }
        }
        let notification = Notification { tenant, body, event: event.as_ref(), correlation: &correlation };
        let accepted = self.intake.accept(notification, deadline).await?;
        Ok(if event.is_some() { Handled::of(accepted) } else { Handled::Dead })
    }

    async fn verify(&self, signature: Option<&Signature>, body: &[u8], tenant: &Tenant) -> Result<()> {
        match &self.verification {
            Verification::Required(tokens) => {
                let signature = signature.ok_or(SignatureError::Missing)?;
                tokens.verify(tenant, *signature, body).await
            }
            Verification::Off => {
                warn!(tenant = %tenant.name, "notification accepted without verifying a signature");
                self.unsigned.with(&[tenant.name.as_str()]).inc();
                Ok(())
            }
        }
    }
}

#[plugin]
#[async_trait]
impl Plugin for Notifications {
    fn describe(&self, api: &mut RouteApi) {
        description::describe_notify(api);
    }

    fn needs(&self) -> Needs {
        Needs { parameters: &[configuration_name::PARAMETER], ..Needs::default() }
    }

    fn challenges(&self) -> Vec<Challenge> {
        match self.verification {
            Verification::Required(_) => vec![Challenge::Signature],
            Verification::Off => Vec::new(),
        }
    }

    fn request_filter(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        if declared_length(head).is_some_and(|length| length > self.max_body) {
            return Err(self.too_large(head, cx));
        }
        // An unknown tenant is not refused here but after the body, as a wrong signature is: see `configuration_name`.
        let tenant = configuration_name::tenant(cx)?;
        let is_known = tenant.is_some();
        if let Some(tenant) = tenant {
            cx.set_tenant(tenant);
        }
        match self.verification {
            // A request without a readable signature is refused before its body is read.
            Verification::Required(_) => cx.extensions_mut().insert(Signature::from_head(head)?),
            Verification::Off if is_known => None,
            Verification::Off => {
                return Err(Problem::new(ProblemKind::TenantNotFound, configuration_name::UNKNOWN));
            }
        };
        cx.buffer_body(BodyBuffering { limit: self.max_body, within: Some(self.deadline) });
        cx.extensions_mut().insert(Deadline(Instant::now() + self.deadline));
        Ok(Flow::Next)
    }

    async fn request_body_filter(
        &self,
        head: &RequestHeader,
        body: &mut Bytes,
        cx: &mut Ctx,
    ) -> Result<Flow> {
        let Some(&Deadline(deadline)) = cx.extensions().get::<Deadline>() else {
            return Err(Problem::new(ProblemKind::Internal, "request_body_filter ran before request_filter"));
        };
        let Some(tenant) = cx.tenant() else {
            return Err(configuration_name::unknown_tenant(cx.extensions().get::<Signature>(), body));
        };
        // The intake observes the deadline itself. This timeout also covers the fetch of the signing token.
        let handled =
            timeout_at(deadline, self.handle(head, body, tenant, cx, deadline)).await.unwrap_or_else(|_| {
                Err(Problem::new(
                    ProblemKind::UpstreamTimeout,
                    "notification not handled within the deadline",
                ))
            });
        cx.extensions_mut().insert(handled?);
        Ok(Flow::Respond(http::Response::new(Bytes::new())))
    }

    fn logging(&self, outcome: &Outcome, cx: &Ctx) {
        // Without a tenant there is no label value: an unknown name comes from the caller, who could create series
        // without end.
        let Some(tenant) = cx.tenant() else { return };
        // The error code counts first: after the event was stored, the exchange can still fail.
        let result = match (cx.extensions().get::<Handled>(), outcome.code) {
            (_, Some(code)) if code == ProblemKind::BodyTooLarge.code() && self.is_verifying() => UNVERIFIED,
            (_, Some(code)) => code,
            (Some(handled), None) => handled.name(),
            (None, None) => "abandoned",
        };
        self.counted.with(&[tenant.name.as_str(), result]).inc();
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").finish_non_exhaustive()
    }
}

/// Parses `Content-Length`. An unreadable value is ignored here: the strict parser of the listener refuses it, and the body
/// reader counts the bytes in any case.
fn declared_length(head: &RequestHeader) -> Option<usize> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The result of a body over the limit where signatures are verified. Anyone may have sent it, so it must not alert as a
/// notification of Onfido does.
const UNVERIFIED: &str = "body_too_large_unverified";

#[cfg(test)]
mod tests;
