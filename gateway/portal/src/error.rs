//! Errors of deliveries, and the classes that decide about retries.

use std::fmt;
use std::time::Duration;

use kyc_http_client::TransportError;
use kyc_model::{Problem, ProblemKind};
use kyc_resilience::Abandoned;

/// The portal did not accept an event. The messages contain no text from the portal.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeliveryError {
    /// No complete response arrived.
    #[error("portal {step} got no answer")]
    Transport {
        /// Which call it was.
        step: Step,
        /// What happened to it.
        #[source]
        source: TransportError,
    },
    /// The deadline of the whole delivery passed.
    #[error("portal delivery was not done in time")]
    Deadline,
    /// The login of another request was cancelled while this one waited for it.
    #[error("portal login was given up")]
    LoginAbandoned,
    /// The response to the login had this status.
    #[error("portal answered {0} to the login")]
    LoginStatus(u16),
    /// The login succeeded, but the response had no usable token.
    #[error("portal's answer to the login holds no usable token")]
    LoginAnswer,
    /// The response to the delivery had this status.
    #[error("portal answered {0} to the delivery")]
    Status(u16),
    /// The portal sent `Retry-After`.
    #[error("portal answered {status} to the delivery and asks to wait {} s", retry_after.as_secs())]
    Busy {
        /// 429 or 503.
        status: u16,
        /// What `Retry-After` says.
        retry_after: Duration,
    },
    /// The response says that the session has expired, even after a new login.
    #[error("portal does not accept the session")]
    SessionEnded,
    /// The response has a success status, but its body reports a failure.
    #[error("portal reports a failure, code {}", CodeText(*.0))]
    Refused(Option<i64>),
    /// The response is an HTML page, so the address is not that of an API endpoint.
    #[error("portal answered with a page instead of a result")]
    Page,
}

/// The two calls at a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Getting a token.
    Login,
    /// Delivering the event.
    Delivery,
}

/// The class of a failed delivery, which decides the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryClass {
    /// Time may help: unreachable, slow, overloaded, or a failure without a known reason.
    Transient,
    /// The portal refuses the account; this affects every event of the tenant.
    Login,
    /// The login succeeds, but the portal does not accept its session.
    Session,
    /// Address, endpoint or role is wrong; this affects every event of the tenant.
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

    /// The class of the failure.
    pub fn class(&self) -> DeliveryClass {
        match self {
            Self::Transport { .. } | Self::Deadline | Self::LoginAbandoned | Self::Busy { .. } => {
                DeliveryClass::Transient
            }
            Self::Refused(_) => DeliveryClass::Refused,
            Self::LoginStatus(400 | 401 | 403) | Self::LoginAnswer => DeliveryClass::Login,
            Self::Status(401) | Self::SessionEnded => DeliveryClass::Session,
            Self::Status(400 | 409 | 413 | 415 | 422) => DeliveryClass::Event,
            Self::LoginStatus(300..=399 | 404 | 405 | 410) | Self::Page => DeliveryClass::Endpoint,
            Self::Status(300..=399 | 403 | 404 | 405 | 410) => DeliveryClass::Endpoint,
            Self::LoginStatus(_) | Self::Status(_) => DeliveryClass::Transient,
        }
    }

    /// The status that the portal answered, if it did.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::LoginStatus(status) | Self::Status(status) | Self::Busy { status, .. } => Some(*status),
            Self::Refused(_) | Self::Page | Self::LoginAnswer | Self::SessionEnded => Some(200),
            Self::Transport { .. } | Self::Deadline | Self::LoginAbandoned => None,
        }
    }

    /// How long the portal asks to wait, an hour at most.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => Some((*retry_after).min(LONGEST_WAIT)),
            _ => None,
        }
    }

    /// Whether a login probe can detect recovery: the portal did not answer, or fails at logins.
    pub fn is_seen_by_login(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Deadline | Self::LoginAbandoned => true,
            Self::LoginStatus(_) | Self::LoginAnswer => true,
            Self::Status(_) | Self::Busy { .. } | Self::SessionEnded | Self::Refused(_) | Self::Page => false,
        }
    }

    /// Says whether the portal has answered, and does not take this very event.
    pub fn is_of_event(&self) -> bool {
        matches!(self.class(), DeliveryClass::Event | DeliveryClass::Refused)
    }

    /// Says whether a new login may help at once.
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
            | Self::LoginAnswer
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
    /// The name in metrics and logs.
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

/// What a portal says in `Retry-After` counts up to here.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

struct CodeText(Option<i64>);

impl fmt::Display for CodeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(code) => code.fmt(f),
            None => f.write_str("none"),
        }
    }
}
