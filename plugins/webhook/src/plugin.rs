//! The plugin: what happens to a notification, in order.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue};
use kyc_model::{RequestId, Tenant};
use kyc_plugin_api::{BodyWish, Build, Ctx, Flow, Phases, Plugin, Problem, ProblemKind, Result};
use kyc_telemetry::names;
use pingora_http::RequestHeader;
use prometheus::IntCounterVec;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::configuration_name;
use crate::content_type::require_json;
use crate::event::{Event, EventFilter};
use crate::fintechos::Portals;
use crate::signature::{Signature, SignatureError};
use crate::signing_tokens::SigningTokens;
use crate::{Config, Delivery, SignaturePolicy};

/// One webhook route.
pub struct Notifications {
    verification: Verification,
    events: EventFilter,
    max_body: usize,
    deadline: Duration,
    delivery: Delivery,
    portals: Portals,
    counted: IntCounterVec,
    unsigned: IntCounterVec,
}

enum Verification {
    Required(SigningTokens),
    Off,
}

/// What became of a notification that was answered 200.
#[derive(Clone, Copy, Debug)]
enum Handled {
    Delivered,
    Ignored,
}

/// When the answer must be on its way; Onfido's clock runs since the request head.
#[derive(Clone, Copy)]
struct Deadline(Instant);

// === impl Notifications ===

impl Notifications {
    /// Builds the plugin from its settings. Reads certificate files, opens no connection.
    ///
    /// # Errors
    ///
    /// Every problem with the settings, as `key: reason`, joined by `; `.
    pub(crate) fn new(config: &Config, build: &Build<'_>) -> std::result::Result<Self, String> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        let verification = match config.signature {
            SignaturePolicy::Required => Verification::Required(SigningTokens::new(
                config.portal.connect,
                config.onfido.ca_file.as_deref(),
                build.collectors,
            )?),
            SignaturePolicy::Off => {
                build.warnings.add(format!(
                    "SIGNATURES ARE NOT VERIFIED: anyone can post events to route `{}`",
                    build.route
                ));
                Verification::Off
            }
        };
        Ok(Self {
            verification,
            events: EventFilter::new(&config.events),
            max_body: usize::try_from(config.max_body.as_u64()).unwrap_or(usize::MAX),
            deadline: config.deadline,
            delivery: config.delivery,
            portals: Portals::new(&config.portal, build.collectors)?,
            counted: build.collectors.counter(
                names::WEBHOOK_EVENTS,
                "Notifications by what became of them.",
                &["tenant", "result"],
            )?,
            unsigned: build.collectors.counter(
                names::WEBHOOK_UNSIGNED,
                "Notifications taken without a signature check.",
                &["tenant"],
            )?,
        })
    }

    async fn handle(
        &self,
        head: &RequestHeader,
        body: &Bytes,
        tenant: &Tenant,
        cx: &Ctx,
        deadline: Instant,
    ) -> Result<Handled> {
        self.verify(cx.extensions().get::<Signature>(), body, tenant).await?;
        require_json(head)?;
        let event = Event::parse(body)
            .map_err(|error| Problem::new(ProblemKind::BadRequest, "unusable notification").because(error))?;
        let request_id = cx.request_id();
        if !self.events.wants(&event) {
            debug!(%request_id, tenant = %tenant.name, "notification ignored");
            return Ok(Handled::Ignored);
        }
        match self.delivery {
            Delivery::Direct => {
                self.portals.deliver(tenant, &event, &passed_along(request_id), deadline).await?;
                Ok(Handled::Delivered)
            }
        }
    }

    fn count(&self, tenant: &Tenant, result: &str) {
        self.counted.with_label_values(&[tenant.name.as_str(), result]).inc();
    }

    async fn verify(&self, signature: Option<&Signature>, body: &[u8], tenant: &Tenant) -> Result<()> {
        match &self.verification {
            Verification::Required(tokens) => {
                let signature = signature.ok_or(SignatureError::Missing)?;
                let token = tokens.token(tenant).await?;
                Ok(signature.verify(&token, body)?)
            }
            Verification::Off => {
                warn!(tenant = %tenant.name, "notification taken without a signature check");
                self.unsigned.with_label_values(&[tenant.name.as_str()]).inc();
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Plugin for Notifications {
    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::REQUEST_BODY
    }

    fn request_filter(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        if declared_length(head).is_some_and(|length| length > self.max_body) {
            return Err(Problem::new(
                ProblemKind::BodyTooLarge,
                "notification declares a body over the limit",
            ));
        }
        let tenant = named_tenant(cx)?;
        cx.set_tenant(Arc::clone(&tenant));
        if let Verification::Required(_) = self.verification {
            // What is not signed at all is refused before its body is read.
            let signature = Signature::from_head(head)
                .inspect_err(|_| self.count(&tenant, ProblemKind::Unauthenticated.code()))?;
            cx.extensions_mut().insert(signature);
        }
        cx.want_body(BodyWish { limit: self.max_body, within: Some(self.deadline) });
        cx.extensions_mut().insert(Deadline(Instant::now() + self.deadline));
        Ok(Flow::Next)
    }

    async fn request_body_filter(
        &self,
        head: &RequestHeader,
        body: &mut Bytes,
        cx: &mut Ctx,
    ) -> Result<Flow> {
        let (Some(tenant), Some(&Deadline(deadline))) = (cx.tenant(), cx.extensions().get::<Deadline>())
        else {
            return Err(Problem::new(
                ProblemKind::Internal,
                "notification reached its body without a tenant",
            ));
        };
        let handled =
            timeout_at(deadline, self.handle(head, body, tenant, cx, deadline)).await.unwrap_or_else(|_| {
                Err(Problem::new(ProblemKind::UpstreamTimeout, "notification not handled in time"))
            });
        let result = match &handled {
            Ok(Handled::Delivered) => "delivered",
            Ok(Handled::Ignored) => "ignored",
            Err(problem) => problem.kind().code(),
        };
        self.count(tenant, result);
        handled.map(|_| Flow::Respond(http::Response::new(Bytes::new())))
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").finish_non_exhaustive()
    }
}

fn named_tenant(cx: &Ctx) -> Result<Arc<Tenant>> {
    let raw = cx
        .params()
        .value(PARAMETER)
        .ok_or_else(|| Problem::new(ProblemKind::Internal, "the route's path has no {configurationName}"))?;
    let tenants = cx.tenants()?;
    configuration_name::decode(raw)
        .and_then(|name| tenants.by_name(&name))
        .cloned()
        .ok_or_else(|| Problem::new(ProblemKind::TenantNotFound, "notification names an unknown tenant"))
}

/// The declared size; what is unreadable is the strict parser's to refuse, and the body reader counts anyway.
fn declared_length(head: &RequestHeader) -> Option<usize> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

fn passed_along(request_id: RequestId) -> HeaderMap {
    HeaderValue::try_from(request_id.to_string())
        .map(|id| HeaderMap::from_iter([(http::HeaderName::from_static(REQUEST_ID), id)]))
        .unwrap_or_default()
}

const PARAMETER: &str = "configurationName";
const REQUEST_ID: &str = "x-request-id";

#[cfg(test)]
mod tests;
