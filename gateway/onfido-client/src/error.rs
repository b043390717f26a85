//! The outcomes of a call that found nothing.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use kyc_http_client::{TransportError, parse_retry_after};

use crate::token_error::TokenError;

/// Why a call to Onfido has no result. The texts have neither the URL nor a credential nor a body.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnfidoError {
    /// Status 404: the account has no such resource.
    #[error("Onfido has no such resource")]
    NotFound,
    /// Status 410: the resource was deleted.
    #[error("the resource was deleted at Onfido")]
    Gone,
    /// Status 401 or 403: the tenant's credential is wrong, revoked, or not allowed to do this.
    #[error("Onfido refused the tenant's credential with status {status}")]
    CredentialRefused {
        /// The status.
        status: u16,
    },
    /// Status 429: the account has made too many calls.
    #[error("Onfido limits the calls of the tenant's account")]
    RateLimited {
        /// The wait that Onfido asks for, at most an hour; `None` if it names none.
        retry_after: Option<Duration>,
    },
    /// Status 5xx: Onfido does not work at the moment.
    #[error("Onfido is not available, with status {status}")]
    Unavailable {
        /// The status.
        status: u16,
        /// The wait that Onfido asks for, at most an hour; `None` if it names none.
        retry_after: Option<Duration>,
    },
    /// Another status that is not a success, such as a redirect.
    #[error("Onfido answered with the unexpected status {status}")]
    Unexpected {
        /// The status.
        status: u16,
    },
    /// The body of the response is larger than the client accepts.
    #[error("Onfido's response is larger than {limit} bytes")]
    TooLarge {
        /// The largest size, in bytes.
        limit: usize,
    },
    /// The body of the response is not the expected JSON.
    #[error("Onfido's response is not the expected JSON")]
    Malformed,
    /// A part of the path is empty, `.` or `..`, and would lead to another resource. No call was made.
    #[error("an id is not usable in a path")]
    Path,
    /// There is no access token of the tenant's OAuth client. No call was made.
    #[error("no access token for a call to Onfido")]
    AccessToken(#[from] TokenError),
    /// No response came from Onfido.
    #[error("cannot reach Onfido")]
    Transport(#[from] TransportError),
}

// === impl OnfidoError ===

impl OnfidoError {
    /// Returns the outcome of a response that is not a success; `None` for a success.
    pub(crate) fn of_response(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        if status.is_success() {
            return None;
        }
        let wait =
            || headers.get(RETRY_AFTER).and_then(parse_retry_after).map(|wait| wait.min(LONGEST_RETRY_AFTER));
        let code = status.as_u16();
        Some(match code {
            401 | 403 => Self::CredentialRefused { status: code },
            404 => Self::NotFound,
            410 => Self::Gone,
            429 => Self::RateLimited { retry_after: wait() },
            500.. => Self::Unavailable { status: code, retry_after: wait() },
            _ => Self::Unexpected { status: code },
        })
    }

    /// Returns the name in metrics, in delivered events and in the ledger.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Gone => "gone",
            Self::CredentialRefused { .. } => "credential_refused",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable { .. } => "unavailable",
            Self::Unexpected { .. } | Self::Path => "unexpected",
            Self::TooLarge { .. } => "too_large",
            Self::Malformed => "malformed",
            Self::AccessToken(_) => "access_token",
            Self::Transport(TransportError::Timeout) => "timeout",
            Self::Transport(_) => "unreachable",
        }
    }

    /// Returns whether the resource does not exist, or no longer: asking again gives the same answer.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NotFound | Self::Gone)
    }

    /// Returns whether the tenant's credential is wrong: Onfido refused the call, or the OAuth client that it needs a token of.
    pub fn is_credential_refused(&self) -> bool {
        matches!(self, Self::CredentialRefused { .. } | Self::AccessToken(TokenError::Refused { .. }))
    }

    /// Returns the wait that Onfido asks for, at most an hour.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::AccessToken(error) => error.retry_after(),
            Self::NotFound
            | Self::Gone
            | Self::CredentialRefused { .. }
            | Self::Unexpected { .. }
            | Self::TooLarge { .. }
            | Self::Malformed
            | Self::Path
            | Self::Transport(_) => None,
        }
    }
}

/// A longer `Retry-After` counts as this: a faulty response must not stop the calls for days.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);
