//! The HTTP calls that the gateway makes itself: to portals, and to Onfido for signing tokens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};

use crate::addresses::{Addresses, RefusedAddress};

/// A call that got no whole answer. The texts hold neither the address nor a header.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Connecting, sending or receiving took too long.
    #[error("no answer in time")]
    Timeout,
    /// Name, address, port or certificate: there was no connection to send on.
    #[error("no connection")]
    Unreachable(#[source] Arc<reqwest::Error>),
    /// The connection broke, or what came was not HTTP.
    #[error("no whole answer")]
    Broken(#[source] Arc<reqwest::Error>),
    /// The address is one that no portal may have.
    #[error("its address is in a range that portals may not have (portal.allow)")]
    Refused,
}

/// Builds a client that follows no redirect and asks no proxy, so that a credential stays where it belongs; names lead
/// to `addresses` alone.
///
/// # Errors
///
/// What is wrong with the certificate file, as `ca_file: reason`, or with TLS on this machine.
pub(crate) fn client(
    connect: Duration,
    ca_file: Option<&Path>,
    addresses: Option<&Addresses>,
) -> Result<Client, String> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(connect)
        .pool_idle_timeout(POOL_IDLE)
        .user_agent(concat!("kyc-gateway/", env!("CARGO_PKG_VERSION")));
    if let Some(addresses) = addresses {
        builder = builder.dns_resolver(Arc::new(addresses.clone()));
    }
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|_| format!("ca_file: cannot read {}", path.display()))?;
        let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if certificates.is_empty() {
            return Err(format!("ca_file: {} holds no PEM certificate", path.display()));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|_| "ca_file: no usable certificate, neither here nor on this system".to_owned())
}

/// Reads a body, and stops at `limit` bytes: the rest is dropped together with the connection.
///
/// # Errors
///
/// [`TransportError`] when the body breaks off.
pub(crate) async fn read_at_most(mut response: Response, limit: usize) -> Result<Bytes, TransportError> {
    let mut body = BytesMut::new();
    while body.len() < limit {
        let Some(chunk) = response.chunk().await? else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(limit);
    Ok(body.freeze())
}

// === impl TransportError ===

impl From<RefusedAddress> for TransportError {
    fn from(_: RefusedAddress) -> Self {
        Self::Refused
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        // The address may hold ids.
        let error = error.without_url();
        if error.is_timeout() {
            return Self::Timeout;
        }
        if error.is_connect() { Self::Unreachable(Arc::new(error)) } else { Self::Broken(Arc::new(error)) }
    }
}

/// Shorter than what portals and their load balancers keep.
const POOL_IDLE: Duration = Duration::from_secs(30);
