//! Pages that a plugin adds to the admin listener.

use async_trait::async_trait;
use http::{Method, Response};
use serde_json::Value;

/// Pages of a plugin below `/NAME` of the admin listener.
///
/// The gateway authenticates the operator, checks the role and records a change before it calls
/// [`answer`](AdminPages::answer). Without configured logins, all users of the machine may use all pages. An answer may name events
/// and tenants; it must not contain the body of a notification or a secret.
#[async_trait]
pub trait AdminPages: Send + Sync + 'static {
    /// Returns the first segment of the paths, such as `events`.
    fn name(&self) -> &'static str;

    /// Answers a request. `path` is what follows the name: empty, or with a leading slash. `query` is the raw query string.
    ///
    /// A page that changes something puts [`Changed`] into the extensions of the answer, for the audit record.
    async fn answer(&self, method: &Method, path: &str, query: &str) -> Response<Vec<u8>>;

    /// Describes the pages in OpenAPI 3.1: an object with `paths`, relative to the name, and `components`. The default is an empty
    /// description.
    fn describe(&self) -> Value {
        Value::Null
    }
}

/// The number of items that a request to an admin page changed; the page puts it into the extensions of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed(pub u64);
