//! The accept loop.
//!
//! Pingora's own loop is not used, for three reasons: it counts connections only after the TLS handshake, its handshake
//! timeout is a fixed minute, and it cannot change the certificate of a running listener.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use pingora::apps::ServerApp;
use pingora::protocols::l4::listener::Listener;
use pingora::protocols::l4::stream::Stream as TcpStream;
use pingora::protocols::{GetSocketDigest, Stream};
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora_runtime::current_handle;
use tokio::sync::watch;
use tokio::task::{JoinSet, unconstrained, yield_now};
use tokio::time::{sleep, timeout};

use crate::bound_socket::BoundSocket;
use crate::connection_limits::{ConnectionLimiter, ConnectionPermit};
use crate::open_listeners::OpenListeners;
use crate::proxy_protocol::{TrustedProxies, receive_header};
use crate::tls::ReloadableTls;

/// A Pingora service that accepts connections on several sockets.
pub struct ListenerService<A> {
    name: &'static str,
    threads: Option<usize>,
    endpoints: Vec<Endpoint<A>>,
    lifetime: Lifetime,
    open: OpenListeners,
}

/// Creates the application that serves a connection of a listener.
pub trait ConnectionApp: Send + Sync + 'static {
    /// The application.
    type App: ServerApp + Send + Sync + 'static;

    /// Returns the application for an admitted connection.
    fn app(&self, connection: &ConnectionPermit) -> Arc<Self::App>;
}

/// One application for all connections of a listener.
#[derive(Debug)]
pub struct SharedApp<A>(pub Arc<A>);

/// One socket, with its limits and the application that serves it.
pub struct Endpoint<A> {
    /// The bound socket.
    pub socket: BoundSocket,
    /// Limits the connections.
    pub limiter: Arc<ConnectionLimiter>,
    /// The proxies that send the caller's address (PROXY protocol); `None`: the peer is the caller.
    pub trusted_proxies: Option<TrustedProxies>,
    /// `None`: no TLS.
    pub certificates: Option<Arc<ReloadableTls>>,
    /// The application that serves the connections.
    pub app: A,
}

/// How long a service accepts connections.
#[derive(Clone, Debug)]
pub enum Lifetime {
    /// Until shutdown begins: no new connections during the drain.
    UntilShutdown,
    /// Until the process ends, so that probes and metrics answer during the drain, or until a new process takes over.
    UntilReplaced(watch::Receiver<bool>),
}

// === impl ListenerService ===

impl<A> ListenerService<A> {
    /// Creates the service. `threads` is the number of its worker threads; `None`: the server's default.
    pub fn new(
        name: &'static str,
        threads: Option<usize>,
        endpoints: Vec<Endpoint<A>>,
        lifetime: Lifetime,
        open: &OpenListeners,
    ) -> Self {
        Self { name, threads, endpoints, lifetime, open: open.clone() }
    }
}

impl<A> fmt::Debug for ListenerService<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerService").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl<A: ConnectionApp> Service for ListenerService<A> {
    async fn start_service(&mut self, _: Option<ListenFds>, shutdown: ShutdownWatch, _: usize) {
        let stop = match &self.lifetime {
            Lifetime::UntilShutdown => shutdown,
            Lifetime::UntilReplaced(replaced) => replaced.clone(),
        };
        let mut loops = JoinSet::new();
        for endpoint in self.endpoints.drain(..) {
            loops.spawn_on(endpoint.run(stop.clone(), self.open.clone()), &current_handle());
        }
        loops.join_all().await;
        if matches!(self.lifetime, Lifetime::UntilReplaced(_)) {
            // Connections that are already accepted are still served.
            std::future::pending::<()>().await;
        }
    }

    fn name(&self) -> &str {
        self.name
    }

    fn threads(&self) -> Option<usize> {
        self.threads
    }
}

// === impl SharedApp ===

impl<A: ServerApp + Send + Sync + 'static> ConnectionApp for SharedApp<A> {
    type App = A;

    fn app(&self, _: &ConnectionPermit) -> Arc<A> {
        Arc::clone(&self.0)
    }
}

// === impl Endpoint ===

impl<A> fmt::Debug for Endpoint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("address", &self.socket.address()).finish_non_exhaustive()
    }
}

impl<A: ConnectionApp> Endpoint<A> {
    async fn run(self, stop: ShutdownWatch, open: OpenListeners) {
        let mut stopped = stop.clone();
        let Self { socket, limiter, trusted_proxies, certificates, app } = self;
        let address = socket.address();
        let listener = match socket.listen() {
            Ok(listener) => Listener::from(listener),
            Err(error) => {
                tracing::error!(%address, %error, "cannot listen; the process exits so that the service manager restarts it");
                std::process::abort();
            }
        };
        open.add();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => Some(accepted),
                () = is_set(&mut stopped) => drain_accept_queue(&listener).await,
            };
            let Some(accepted) = accepted else {
                tracing::debug!(%address, "listener closed");
                return;
            };
            match accepted {
                Ok(stream) => {
                    let peer = peer(&stream);
                    if trusted_proxies.as_ref().is_some_and(|trusted_proxies| !trusted_proxies.contains(peer))
                    {
                        limiter.metrics.refused("no_balancer");
                        continue;
                    }
                    // Behind a proxy the source is known only after its header is read.
                    let source = peer.filter(|_| trusted_proxies.is_none());
                    let Some(permit) = limiter.admit(source) else { continue };
                    let has_proxy_header = trusted_proxies.is_some();
                    let (app, stop, limiter) = (app.app(&permit), stop.clone(), Arc::clone(&limiter));
                    let certificates = certificates.clone();
                    current_handle().spawn(async move {
                        let serving = async {
                            // Boxed, so that a connection holds the memory of its handshake no longer than the handshake.
                            let (header, certificates) = (has_proxy_header, certificates.as_deref());
                            let set_up = Box::pin(set_up(stream, header, certificates, &permit, &limiter));
                            if let Some(stream) = set_up.await {
                                app.process_new(stream, &stop).await;
                            }
                        };
                        permit.serve(serving).await;
                    });
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    limiter.metrics.refused("accept");
                    tracing::error!(%address, %error, "cannot accept a connection");
                    sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }
}

async fn is_set(stop: &mut ShutdownWatch) {
    // A closed channel means that the sender is gone: stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Accepts one more connection from the accept queue: clients in the queue are already connected, and would get a reset when the
/// socket closes.
async fn drain_accept_queue(listener: &Listener) -> Option<std::io::Result<TcpStream>> {
    // Polls the socket once, and bypasses tokio's cooperative budget.
    yield_now().await;
    let accepted = unconstrained(listener.accept()).now_or_never()?;
    accepted.as_ref().err().is_none_or(concerns_one_connection).then_some(accepted)
}

fn peer(stream: &TcpStream) -> Option<IpAddr> {
    Some(stream.get_socket_digest()?.peer_addr()?.as_inet()?.ip())
}

/// Reads the PROXY protocol header; `None` when it is missing or invalid, or when the source is over its limit.
async fn read_proxy_header(
    stream: TcpStream,
    permit: &ConnectionPermit,
    limiter: &ConnectionLimiter,
) -> Option<TcpStream> {
    let Ok(Some(stream)) = timeout(limiter.limits.handshake, receive_header(stream)).await else {
        limiter.metrics.refused("proxy_protocol");
        return None;
    };
    permit.set_source(peer(&stream)).then_some(stream)
}

/// Reads the PROXY protocol header and does the TLS handshake, where the listener has them; `None` when one fails or takes too
/// long.
async fn set_up(
    stream: TcpStream,
    has_proxy_header: bool,
    certificates: Option<&ReloadableTls>,
    permit: &ConnectionPermit,
    limiter: &ConnectionLimiter,
) -> Option<Stream> {
    let mut stream = match has_proxy_header {
        true => read_proxy_header(stream, permit, limiter).await?,
        false => stream,
    };
    // Nagle's algorithm would hold back the second part of a response until the first one is acknowledged. An error means that
    // the peer is gone already.
    let _ = stream.set_nodelay();
    let Some(certificates) = certificates else { return Some(Box::new(stream)) };
    let peer = peer(&stream);
    match timeout(limiter.limits.handshake, certificates.acceptor().tls_handshake(stream)).await {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        Ok(Err(error)) => {
            limiter.metrics.refused("tls");
            tracing::info!(peer = peer.map(tracing::field::display), %error, "TLS handshake failed");
            None
        }
        Err(_) => {
            limiter.metrics.refused("tls_late");
            None
        }
    }
}

/// Returns whether an accept error concerns only one connection (accept(2), "Error handling").
fn concerns_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | HostUnreachable | Interrupted)
}

/// Errors such as EMFILE last for a while; retrying without a pause would use a whole core.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
