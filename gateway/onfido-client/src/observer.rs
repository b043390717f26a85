//! What the service tells about its fetches, for metrics.

/// Gets told about fetches of access tokens. This crate is below the metrics, so the gateway implements it.
pub trait TokenObserver: Send + Sync + 'static {
    /// A fetch for a tenant ended.
    fn fetched(&self, tenant: &str, result: FetchResult);
}

/// Tells nobody.
impl TokenObserver for () {
    fn fetched(&self, _: &str, _: FetchResult) {}
}

/// The result of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchResult {
    /// There is a new token.
    Ok,
    /// Onfido refused `clientId` and `clientSecret`.
    Refused,
    /// Onfido limits the fetches.
    RateLimited,
    /// There is no response, or no usable one.
    Failed,
}

// === impl FetchResult ===

impl FetchResult {
    /// Returns the value of the label `result`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::Failed => "failed",
        }
    }
}
