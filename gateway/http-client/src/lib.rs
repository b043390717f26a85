//! The client for HTTP calls that the gateway itself makes: to Vault, identity providers, Onfido, portals and collectors.
//!
//! Most of these calls have a credential. Therefore every client follows no redirects, ignores proxy variables of the environment,
//! has timeouts, and reads responses up to a limit. No other crate builds a `reqwest` client.

mod body;
mod client;
mod error_text;
mod retry_after;
mod tls_failure;
mod transport;
mod transport_error;

pub use body::{BodyError, read_at_most, read_whole};
pub use client::{ClientError, ClientSettings, Trust};
pub use error_text::root_cause;
pub use retry_after::parse_retry_after;
pub use tls_failure::TlsFailure;
pub use transport::{Cleartext, ExposedAddress};
pub use transport_error::TransportError;

#[cfg(test)]
mod tests;
