//! What the tests share: peers of all kinds, and the ring provider.

pub(crate) mod bao;
pub(crate) mod gateway;
pub(crate) mod methods;
mod process;
pub(crate) mod raw;
pub(crate) mod tls;
pub(crate) mod upstream;
pub(crate) mod world;

/// Installs rustls' ring provider; every test that builds a client begins with it.
pub(crate) fn install_ring() {
    // A second installation fails, and the first one is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
