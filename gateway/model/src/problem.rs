//! The problem of a failed or refused request, independent of HTTP. `kyc-proxy` turns it into a status and an error body.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A failed or refused request: a kind for the caller, a detail and a cause for the operator.
///
/// `Display` is the text for the operator. The caller gets only the message of the kind (`error_response` of `kyc-proxy`).
/// Neither may contain a secret, a body, a query, a header value or a path with ids.
#[derive(Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    retry_after: Option<Duration>,
}

/// The kinds of problem; each has one status and one public code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The request violates HTTP, or the gateway's stricter validation.
    BadRequest,
    /// The caller's credential, the subscription id or the signature is missing or wrong. The response does not say which, so that
    /// nobody can find out which ids exist.
    Unauthenticated,
    /// The caller is authenticated, but not allowed to do this.
    Forbidden,
    /// No route matches, or no operation has that name.
    RouteNotFound,
    /// The webhook path names no known tenant, and signatures are off. With signatures on, this is answered like a wrong signature.
    TenantNotFound,
    /// The route does not allow this method.
    MethodNotAllowed,
    /// The caller did not finish its request in time.
    RequestTimeout,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The route does not accept the media type of the body.
    UnsupportedMediaType,
    /// The request has an unsupported `Expect` (RFC 9110 §10.1.1), or waits for 100 over HTTP/2, where the gateway cannot send it.
    /// Repeat it without `Expect`.
    ExpectationFailed,
    /// The header block is larger than the limit.
    HeaderTooLarge,
    /// The tenant exceeds its rate limit.
    RateLimited,
    /// The upstream refused or closed the connection.
    UpstreamUnreachable,
    /// The upstream sent an invalid or unusable response.
    UpstreamError,
    /// The upstream did not respond in time.
    UpstreamTimeout,
    /// The gateway is overloaded.
    Overloaded,
    /// A resource that the request needs is not available yet (tenants, a signing token).
    Unavailable,
    /// The gateway itself failed.
    Internal,
}

// === impl Problem ===

impl Problem {
    /// Creates a problem. `detail` is for the operator.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), source: None, retry_after: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sets the time after which the caller may retry.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Returns the time after which the caller may retry, if it is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns the kind of problem.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        let mut cause: Option<&dyn Error> = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for Problem {}

impl From<ProblemKind> for Problem {
    fn from(kind: ProblemKind) -> Self {
        Self::new(kind, kind.code())
    }
}

// === impl ProblemKind ===

impl ProblemKind {
    /// Returns the stable public code: the `type` in the error body, and a metric label.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::RouteNotFound => "route_not_found",
            Self::TenantNotFound => "tenant_not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::ExpectationFailed => "expectation_failed",
            Self::HeaderTooLarge => "header_too_large",
            Self::RateLimited => "rate_limited",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}
