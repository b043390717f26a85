//! Sockets that are bound before Pingora starts, so that a taken port is a clear error and port 0 works.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use tokio::sync::watch;

/// A bound socket that no one accepts from yet.
#[derive(Debug)]
pub(crate) struct BoundSocket {
    socket: TcpListener,
    address: SocketAddr,
}

/// A service whose sockets are handed to Pingora when it starts, in the table that it keeps for sockets of a
/// previous process.
pub(crate) struct Bound<S> {
    inner: S,
    sockets: Vec<BoundSocket>,
    lifetime: Lifetime,
}

/// How long a service listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until the gateway is told to stop: no connection comes in while it drains.
    UntilShutdown,
    /// Until the process ends, so that the drain can be watched.
    UntilExit,
}

// === impl BoundSocket ===

impl BoundSocket {
    /// Binds `address`; port 0 takes any free port.
    pub(crate) fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The actual address, which is also the key under which Pingora finds the socket.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

// === impl Bound ===

impl<S> Bound<S> {
    /// `inner` must have an endpoint for the address of each socket.
    pub(crate) fn new(inner: S, sockets: Vec<BoundSocket>, lifetime: Lifetime) -> Self {
        Self { inner, sockets, lifetime }
    }
}

#[async_trait]
impl<S: Service> Service for Bound<S> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        if let Some(table) = &fds {
            let mut table = table.lock();
            for bound in self.sockets.drain(..) {
                table.add(bound.address.to_string(), bound.socket.into_raw_fd());
            }
        }
        // Pingora closes every listener when `shutdown` changes. This one never does, and lives as long as
        // the service: a dropped sender would count as a change.
        let (_never, silence) = watch::channel(false);
        let shutdown = match self.lifetime {
            Lifetime::UntilShutdown => shutdown,
            Lifetime::UntilExit => silence,
        };
        self.inner.start_service(fds, shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn threads(&self) -> Option<usize> {
        self.inner.threads()
    }
}

#[cfg(test)]
mod tests;
