//! The recorded deliveries and calls of the portal.

use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;

/// The two protocols of a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `GetToken` and `CallAction`.
    Legacy,
    /// `keycloakToken` and automation processors.
    Keycloak,
}

/// An event that the portal accepted.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The tenant of the login.
    pub tenant: String,
    /// The protocol of the delivery.
    pub dialect: Dialect,
    /// The endpoint of the request.
    pub action: String,
    /// The event, as sent.
    pub event: Bytes,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// The time of acceptance.
    pub at: SystemTime,
}

/// A request to the portal that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The path, as sent.
    pub path: String,
    /// The status of the response.
    pub status: u16,
    /// The time of arrival.
    pub at: SystemTime,
    /// The `traceparent` of the request.
    pub traceparent: Option<String>,
}
