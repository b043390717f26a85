//! What a caller needs to know, and what it received.

use std::net::SocketAddr;
use std::time::Duration;

use kyc_harness::certificates::Authority;

use crate::events::Events;
use crate::message::{Body, BodyState};

/// What a caller received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Interim responses, too.
    pub(crate) responses: Vec<Response>,
    pub(crate) connection: ConnectionState,
}

/// A response, as far as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    /// `1.0`, `1.1` or `2`.
    pub(crate) version: String,
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Body,
    /// The method or the status excludes a body.
    pub(crate) is_bodiless: bool,
}

/// What became of the caller's connection after the exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// The caller left.
    #[default]
    Left,
    /// It served another request.
    Kept,
    /// The proxy closed it.
    Closed,
    /// It is open, but served no other request.
    Silent,
    /// Something that no request asked for came on it.
    Surplus,
}

/// Where a proxy listens, and who calls it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) authority: &'a Authority,
    /// The `SubscriptionId` of the exchange.
    pub(crate) tenant: &'a str,
    pub(crate) events: &'a Events,
}

// === impl Response ===

impl Response {
    pub(crate) fn is_final(&self) -> bool {
        self.status >= 200 || self.status == 101
    }

    pub(super) fn begin(version: &str, status: u16, method: &str, fields: Vec<(String, String)>) -> Self {
        let is_bodiless = is_bodiless(method, status);
        let state = if is_bodiless { BodyState::Complete } else { BodyState::Open };
        let body = Body { state, ..Body::default() };
        Self { version: version.to_owned(), status, fields, body, is_bodiless }
    }
}

/// Whether a response has no body whatever its fields say (RFC 9110, section 6.4.1).
fn is_bodiless(method: &str, status: u16) -> bool {
    method == "HEAD" || status < 200 || matches!(status, 204 | 304)
}

/// How long a caller waits for an interim response before it sends its body anyway.
pub(super) const INTERIM: Duration = Duration::from_secs(1);
