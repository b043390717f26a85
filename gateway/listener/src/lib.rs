//! Listeners: sockets, limits of connections, the PROXY protocol, TLS with its certificate files, and the accept loop.
//!
//! This crate does not depend on HTTP: each accepted connection is passed to the application that [`ConnectionApp`] creates for it.

mod accept;
mod bound_socket;
mod connection_limits;
mod open_listeners;
mod proxy_protocol;
mod tls;

pub use accept::{ConnectionApp, Endpoint, Lifetime, ListenerService, SharedApp};
pub use bound_socket::BoundSocket;
pub use connection_limits::{
    BusyGuard, ConnectionActivity, ConnectionLimiter, ConnectionLimits, ConnectionPermit, WhenFull,
};
pub use open_listeners::OpenListeners;
pub use proxy_protocol::TrustedProxies;
pub use tls::{CertificateReload, ReloadableTls, TlsFiles, TlsProblem};
