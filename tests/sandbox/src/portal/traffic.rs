//! What came to the portal.

use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;

/// The two ways to talk to a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `GetToken` and `CallAction`.
    Legacy,
    /// `keycloakToken` and automation processors.
    Keycloak,
}

/// An event that the portal took.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The tenant whose login brought it.
    pub tenant: String,
    /// How it came.
    pub dialect: Dialect,
    /// The endpoint it was for.
    pub action: String,
    /// The event, as sent.
    pub event: Bytes,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// When it was taken.
    pub at: SystemTime,
}

/// A request to the portal that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its path, as sent.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// When it arrived.
    pub at: SystemTime,
    /// The trace it says it belongs to.
    pub traceparent: Option<String>,
}
