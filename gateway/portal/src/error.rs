//! Errors of deliveries, and the classes that decide about retries.

use std::fmt;
use std::time::Duration;

use kyc_http_client::TransportError;
use kyc_model::{Problem, ProblemKind};
use kyc_resilience::Abandoned;

/// Why an event was not delivered, or a login failed. The messages contain no text from the portal, because that can hold
/// personal data, and they are stored and logged in the clear.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeliveryError {
    /// No complete response was received.
    #[error("no complete response to the portal {step}")]
    Transport {
        /// The call that failed.
        step: Step,
        /// The error of the connection.
        #[source]
        source: TransportError,
    },
    /// The deadline of the whole delivery, login included, has passed.
    #[error("portal call timed out")]
    Deadline,
    /// The delivery that made the login was cancelled while this one waited for the same login.
    #[error("portal login was cancelled")]
    LoginAbandoned,
    /// The response to the login had this status.
    #[error("portal answered {0} to the login")]
    LoginStatus(u16),
    /// The login succeeded, but the response had no usable token.
    #[error("portal login response contains no usable token")]
    LoginWithoutToken,
    /// The response to the delivery had this status.
    #[error("portal answered {0} to the delivery")]
    Status(u16),
    /// The response to the delivery was 429 or 503 with a `Retry-After`.
    #[error("portal answered {status} to the delivery with Retry-After {} s", retry_after.as_secs())]
    Busy {
        /// The status: 429 or 503.
        status: u16,
        /// The time of `Retry-After`.
        retry_after: Duration,
    },
    /// The response says that the session has expired, even after a new login.
    #[error("portal does not accept the session of a new login")]
    SessionEnded,
    /// The response has a success status, but its body reports a failure.
    #[error("portal reports a failure in its response, ErrorCode {}", CodeText(*.0))]
    Refused(Option<i64>),
    /// The response is an HTML page, so the address is not that of an API endpoint.
    #[error("portal answered with an HTML page; check ftosEndpoint")]
    Page,
}

/// The two calls at a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The login, which returns a token.
    Login,
    /// The delivery of an event.
    Delivery,
}

/// The class of a failed delivery, which decides the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryClass {
    /// The portal is unreachable, slow or overloaded, or fails for an unknown reason; a later attempt may succeed.
    Transient,
    /// The portal refuses the account; this affects every event of the tenant.
    Login,
    /// The login succeeds, but the portal does not accept its session.
    Session,
    /// The portal's address, the endpoint or the account's role is wrong; this affects every event of the tenant.
    Endpoint,
    /// The portal rejects this event.
    Event,
    /// The portal reports a failure for this event in a response with a success status. It is available, and may accept
    /// other events.
    Refused,
}

// === impl DeliveryError ===

impl DeliveryError {
    pub(crate) fn transport(step: Step, error: impl Into<TransportError>) -> Self {
        Self::Transport { step, source: error.into() }
    }

    /// Returns the class of the failure.
    pub fn class(&self) -> DeliveryClass {
        match self {
            Self::Transport { .. } | Self::Deadline | Self::LoginAbandoned | Self::Busy { .. } => {
                DeliveryClass::Transient
            }
            Self::Refused(_) => DeliveryClass::Refused,
            Self::LoginStatus(400 | 401 | 403) | Self::LoginWithoutToken => DeliveryClass::Login,
            Self::Status(401) | Self::SessionEnded => DeliveryClass::Session,
            Self::Status(400 | 409 | 413 | 415 | 422) => DeliveryClass::Event,
            Self::LoginStatus(300..=399 | 404 | 405 | 410) | Self::Page => DeliveryClass::Endpoint,
            Self::Status(300..=399 | 403 | 404 | 405 | 410) => DeliveryClass::Endpoint,
            Self::LoginStatus(_) | Self::Status(_) => DeliveryClass::Transient,
        }
    }

    /// Returns the status of the portal's response; `None` when there was none. Failures that are reported in the body have
    /// 200.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::LoginStatus(status) | Self::Status(status) | Self::Busy { status, .. } => Some(*status),
            Self::Refused(_) | Self::Page | Self::LoginWithoutToken | Self::SessionEnded => Some(200),
            Self::Transport { .. } | Self::Deadline | Self::LoginAbandoned => None,
        }
    }

    /// Returns how long the portal asks to wait by `Retry-After`, one hour at most.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => Some((*retry_after).min(MAX_RETRY_AFTER)),
            _ => None,
        }
    }

    /// Returns whether a login probe can detect that the portal has recovered: it did not respond, or the login itself
    /// failed. After other failures only an event can show it.
    pub fn is_detectable_by_login(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Deadline | Self::LoginAbandoned => true,
            Self::LoginStatus(_) | Self::LoginWithoutToken => true,
            Self::Status(_) | Self::Busy { .. } | Self::SessionEnded | Self::Refused(_) | Self::Page => false,
        }
    }

    /// Returns whether the portal responded and rejects only this event. The circuit breaker does not count such a failure.
    pub fn rejects_event(&self) -> bool {
        matches!(self.class(), DeliveryClass::Event | DeliveryClass::Refused)
    }

    /// Returns whether the session may have ended, so that one retry with a new login may succeed.
    pub(crate) fn ends_session(&self) -> bool {
        matches!(self, Self::Status(401 | 403) | Self::SessionEnded)
    }

    fn problem_kind(&self) -> ProblemKind {
        match self {
            Self::Deadline | Self::LoginAbandoned => ProblemKind::UpstreamTimeout,
            Self::Transport { source, .. } => match source {
                TransportError::Timeout => ProblemKind::UpstreamTimeout,
                TransportError::Unreachable(_)
                | TransportError::Broken(_)
                | TransportError::Refused(_)
                | TransportError::Exposed(_) => ProblemKind::UpstreamUnreachable,
            },
            Self::LoginStatus(_)
            | Self::LoginWithoutToken
            | Self::Status(_)
            | Self::Busy { .. }
            | Self::SessionEnded
            | Self::Refused(_)
            | Self::Page => ProblemKind::UpstreamError,
        }
    }
}

// === impl DeliveryClass ===

impl DeliveryClass {
    /// Returns the name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Login => "login",
            Self::Session => "session",
            Self::Endpoint => "endpoint",
            Self::Event => "event",
            Self::Refused => "refused",
        }
    }
}

impl From<Abandoned> for DeliveryError {
    fn from(_: Abandoned) -> Self {
        Self::LoginAbandoned
    }
}

impl From<DeliveryError> for Problem {
    fn from(error: DeliveryError) -> Self {
        Self::new(error.problem_kind(), "event not delivered").because(error)
    }
}

// === impl Step ===

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Login => "login",
            Self::Delivery => "delivery",
        })
    }
}

/// The maximum of `Retry-After`: a mistaken value must not stop deliveries for days.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

struct CodeText(Option<i64>);

impl fmt::Display for CodeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(code) => code.fmt(f),
            None => f.write_str("none"),
        }
    }
}
