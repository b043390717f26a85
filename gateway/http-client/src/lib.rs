//! The one client for HTTP calls that the gateway makes itself: to Vault, identity providers, Onfido, portals and
//! collectors.
//!
//! Most of these calls carry a credential, so each client follows no redirect, asks no proxy of the environment, and
//! waits for a bounded time; answers are read up to a limit. Nobody else builds a `reqwest` client.

mod body;
mod client;
mod error_text;
mod retry_after;
mod transport;
mod transport_error;

pub use body::{BodyError, read_at_most, read_whole};
pub use client::{ClientError, ClientSettings, Trust};
pub use error_text::root_cause;
pub use retry_after::parse_retry_after;
pub use transport::{Cleartext, ExposedAddress};
pub use transport_error::TransportError;

#[cfg(test)]
mod tests;
