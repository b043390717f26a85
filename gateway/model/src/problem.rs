//! What went wrong with a request, before anyone turns it into HTTP.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A failed or refused request: a kind for the caller, a detail and a cause for the operator.
///
/// `Display` is the operator's text. The caller sees only what the kind says (`kyc-proxy`'s `error_response`).
/// Neither may hold a secret, a body, a query, a header value or a path with ids.
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
    /// The request breaks HTTP or our stricter reading of it.
    BadRequest,
    /// Caller, subscription or signature absent or wrong; the answer does not say which.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// No route, or no operation of that name.
    RouteNotFound,
    /// The webhook names no tenant, and signatures are not asked for: else that is answered like a wrong one.
    TenantNotFound,
    /// The route does not take this method.
    MethodNotAllowed,
    /// The caller did not finish its request in time.
    RequestTimeout,
    /// The body is over the limit.
    BodyTooLarge,
    /// The body is not of a type the route takes.
    UnsupportedMediaType,
    /// The request expects what is not offered (`Expect`, RFC 9110 §10.1.1).
    ExpectationFailed,
    /// The header block is over the limit.
    HeaderTooLarge,
    /// Over quota.
    RateLimited,
    /// The upstream refused the connection, or broke it.
    UpstreamUnreachable,
    /// The upstream answered, but not with what was needed.
    UpstreamError,
    /// The upstream was too slow.
    UpstreamTimeout,
    /// The gateway has too much to do.
    Overloaded,
    /// Something this request needs is not there yet (tenants, a signing token).
    Unavailable,
    /// The gateway is at fault.
    Internal,
}

// === impl Problem ===

impl Problem {
    /// Describes a problem for the operator.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), source: None, retry_after: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says when the caller may try again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// When the caller may try again, if that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What kind of problem this is.
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
    /// The public, stable code: the `type` of the error envelope and a metric label.
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
