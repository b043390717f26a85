//! What operators can ask a plugin for.

use async_trait::async_trait;
use http::{Method, Response};

/// Paths that a plugin adds to the admin listener, below `/NAME`.
///
/// The listener has no login: it is reached from the machine itself or an internal network. What is answered may
/// name events and tenants, but holds no body and no secret.
#[async_trait]
pub trait Operations: Send + Sync + 'static {
    /// The first segment of the paths.
    fn name(&self) -> &'static str;

    /// Answers `method` on what follows the name (empty, or with a leading slash) and the raw query.
    async fn answer(&self, method: &Method, path: &str, query: &str) -> Response<Vec<u8>>;
}
