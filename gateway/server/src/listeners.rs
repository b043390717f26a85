//! Where the gateway listens: sockets, the gate in front of each, TLS, and the loop that accepts.

mod accept;
mod callers;
mod certificates;
mod client;
mod gate;
mod proxied;
mod renewal;
mod revocation;
mod socket;
mod x509;

pub(crate) use accept::{ConnectionApp, Endpoint, Lifetime, Listening, Shared};
pub(crate) use certificates::{Certificates, TlsFiles};
pub(crate) use gate::{Admitted, ConnectionActivity, Gate, GateLimits, WhenFull};
pub(crate) use proxied::Balancers;
pub(crate) use renewal::Renewal;
pub(crate) use socket::BoundSocket;
