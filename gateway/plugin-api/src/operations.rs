//! What operators can ask a plugin for.

use async_trait::async_trait;
use http::{Method, Response};
use serde_json::Value;

/// Paths that a plugin adds to the admin listener, below `/NAME`.
///
/// The gateway asks who it is and whether he may, but without logins whoever reaches the listener from the machine
/// itself may ask everything. What is answered may name events and tenants, but holds no body and no secret.
#[async_trait]
pub trait Operations: Send + Sync + 'static {
    /// The first segment of the paths.
    fn name(&self) -> &'static str;

    /// Answers `method` on what follows the name (empty, or with a leading slash) and the raw query.
    async fn answer(&self, method: &Method, path: &str, query: &str) -> Response<Vec<u8>>;

    /// What is answered, in OpenAPI 3.1: an object with `paths` by what follows the name, and `components`; nothing by
    /// default.
    fn describe(&self) -> Value {
        Value::Null
    }
}

/// How many things a change has changed: a plugin puts it into the extensions of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed(pub u64);
