//! What may become of a delivery that fails.

use std::fmt;
use std::time::Duration;

use kyc_http_client::TransportError;
use kyc_model::{Problem, ProblemKind};
use kyc_resilience::Abandoned;

/// The portal did not take an event. The texts hold nothing that the portal said.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeliveryError {
    /// There was no whole answer.
    #[error("portal {step} got no answer")]
    Transport {
        /// Which call it was.
        step: Step,
        /// What happened to it.
        #[source]
        source: TransportError,
    },
    /// The time for the whole delivery ran out.
    #[error("portal delivery was not done in time")]
    Deadline,
    /// Another request was logging in, and gave up.
    #[error("portal login was given up")]
    LoginAbandoned,
    /// The login was answered with this status.
    #[error("portal answered {0} to the login")]
    LoginStatus(u16),
    /// The login was answered with success, but without a token that can be used.
    #[error("portal's answer to the login holds no usable token")]
    LoginAnswer,
    /// The delivery was answered with this status.
    #[error("portal answered {0} to the delivery")]
    Status(u16),
    /// The portal asks for a pause (`Retry-After`).
    #[error("portal answered {status} to the delivery and asks to wait {} s", retry_after.as_secs())]
    Busy {
        /// 429 or 503.
        status: u16,
        /// What `Retry-After` says.
        retry_after: Duration,
    },
    /// The answer says that the session has ended, also after a new login.
    #[error("portal does not accept the session")]
    SessionEnded,
    /// The answer is a success by its status and a failure by its content.
    #[error("portal reports a failure, code {}", CodeText(*.0))]
    Refused(Option<i64>),
    /// The answer is a page for people, so this is not the address of an endpoint.
    #[error("portal answered with a page instead of a result")]
    Page,
}

/// The two calls at a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Getting a token.
    Login,
    /// Bringing the event.
    Delivery,
}

/// What a failed delivery says about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryClass {
    /// Time may help: unreachable, slow, overloaded, or a failure without a known reason.
    Transient,
    /// The account is not let in; it concerns every event of the tenant.
    Login,
    /// The portal lets the account in and then does not know it.
    Session,
    /// Address, endpoint or role is wrong; it concerns every event of the tenant.
    Endpoint,
    /// The portal does not want this very event.
    Event,
    /// The portal reports a failure of its own for this event, in an answer that is a success by its status. It is
    /// there, and may take other events.
    Refused,
}

// === impl DeliveryError ===

impl DeliveryError {
    pub(crate) fn transport(step: Step, error: impl Into<TransportError>) -> Self {
        Self::Transport { step, source: error.into() }
    }

    /// What the failure says about the next delivery.
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

    /// Says whether a login shows when it is over: the portal did not answer, or fails at logins.
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
