//! Why there is no access token.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use kyc_http_client::{TransportError, parse_retry_after};
use kyc_model::{Problem, ProblemKind};
use kyc_resilience::Abandoned;

/// Why the gateway has no access token of a tenant's OAuth client. The texts have neither a secret nor the URL nor a body.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Status 400, 401 or 403: `clientId` or `clientSecret` is wrong or revoked.
    #[error("Onfido refused clientId and clientSecret with status {status}")]
    Refused {
        /// The status.
        status: u16,
    },
    /// Status 429.
    #[error("Onfido limits the fetches of access tokens")]
    RateLimited {
        /// The wait that Onfido asks for, at most five minutes; `None` if it names none.
        retry_after: Option<Duration>,
    },
    /// Status 5xx: Onfido does not work at the moment.
    #[error("Onfido gives no access token, with status {status}")]
    Unavailable {
        /// The status.
        status: u16,
        /// The wait that Onfido asks for, at most five minutes; `None` if it names none.
        retry_after: Option<Duration>,
    },
    /// Another status than 200.
    #[error("Onfido answered the fetch of an access token with the unexpected status {status}")]
    Unexpected {
        /// The status.
        status: u16,
    },
    /// Status 200 without a usable token; the text says what is wrong with it.
    #[error("Onfido's response has no usable access token: {0}")]
    Unusable(&'static str),
    /// No complete response came from Onfido.
    #[error("cannot reach Onfido for an access token")]
    Transport(#[from] TransportError),
    /// No token was there in time; the fetch goes on.
    #[error("no access token in time")]
    Timeout,
    /// The task that fetched the token ended without a result.
    #[error("the fetch of the access token was aborted")]
    Abandoned,
}

// === impl TokenError ===

impl TokenError {
    /// Returns the error of a response that is not 200; `None` for 200.
    pub(crate) fn of_response(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let retry_after =
            || headers.get(RETRY_AFTER).and_then(parse_retry_after).map(|wait| wait.min(LONGEST_RETRY_AFTER));
        let code = status.as_u16();
        Some(match code {
            200 => return None,
            400 | 401 | 403 => Self::Refused { status: code },
            429 => Self::RateLimited { retry_after: retry_after() },
            500.. => Self::Unavailable { status: code, retry_after: retry_after() },
            _ => Self::Unexpected { status: code },
        })
    }

    /// Returns the wait that Onfido asks for, at most five minutes.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Refused { .. }
            | Self::Unexpected { .. }
            | Self::Unusable(_)
            | Self::Transport(_)
            | Self::Timeout
            | Self::Abandoned => None,
        }
    }

    /// Returns whether the fetch may succeed soon, so that a call can wait for the next one.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Unavailable { .. }
            // Such as a redirect to a page about maintenance.
            | Self::Unexpected { .. }
            | Self::Unusable(_)
            | Self::Transport(_)
            | Self::Timeout
            | Self::Abandoned => true,
            Self::Refused { .. } => false,
        }
    }
}

impl From<Abandoned> for TokenError {
    fn from(_: Abandoned) -> Self {
        Self::Abandoned
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let wait = error.retry_after().unwrap_or(RETRY_SOON);
        Self::new(ProblemKind::Unavailable, "no access token for the tenant's calls to Onfido")
            .with_retry_after(wait)
            .because(error)
    }
}

/// A longer `Retry-After` counts as this: a faulty response must not stop a tenant's calls for hours.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);
/// The `Retry-After` of a call without an access token, if Onfido named none.
const RETRY_SOON: Duration = Duration::from_secs(5);
