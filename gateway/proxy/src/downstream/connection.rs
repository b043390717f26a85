//! Serves the requests of a connection one after the other.
//!
//! Pingora creates the session of a request, with its buffers, before the first byte of it has come, and most connections are idle
//! most of the time. So the gateway waits for the first bytes, and only then creates the session: an idle connection holds its
//! stream and nothing else. HTTP/2 stays Pingora's.

use std::sync::Arc;

use async_trait::async_trait;
use kyc_telemetry::Metrics;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::{ALPN, Stream};
use pingora::server::ShutdownWatch;

use super::connection_policy::ConnectionPolicy;
use super::guarded_stream::GuardedStream;
use crate::settings::ProxySettings;

/// Serves each connection through a guarded stream.
#[derive(Debug)]
pub struct ConnectionGuard<A> {
    inner: Arc<A>,
    policy: Arc<ConnectionPolicy>,
}

// === impl ConnectionGuard ===

impl<A> ConnectionGuard<A> {
    /// Closes connections that are idle for [`ProxySettings::keepalive`] between requests. A request head that takes
    /// longer than [`ProxySettings::head`] is answered 408, one over 32 KiB 431.
    /// On HTTP/2, a peer that sends more than [`ProxySettings::control_frames`] frames beside its requests and bodies gets a
    /// GOAWAY with ENHANCE_YOUR_CALM.
    pub fn new(inner: A, settings: &ProxySettings, listener: &str, metrics: &Metrics) -> Self {
        let policy = Arc::new(ConnectionPolicy::new(settings, listener, metrics));
        Self { inner: Arc::new(inner), policy }
    }
}

impl<A: HttpServerApp + Send + Sync + 'static> ConnectionGuard<A> {
    /// Serves an HTTP/1 connection to its end.
    async fn serve_http1(&self, mut stream: Box<GuardedStream>, shutdown: &ShutdownWatch) {
        let mut persistent = None;
        while stream.receive_request().await {
            let mut session = ServerSession::new_http1(stream);
            match persistent.take() {
                Some(settings) => HttpPersistentSettings::apply_to_session(settings, &mut session),
                None => self.prepare_first(&mut session),
            }
            let Some(reused) = self.inner.process_new_http(session, shutdown).await else { return };
            let (next, settings) = reused.consume();
            let Ok(next) = next.into_any().downcast() else {
                tracing::error!("a session returned another stream than its own; the connection is closed");
                return;
            };
            (stream, persistent) = (next, settings);
            stream.begin_request();
        }
    }

    /// What Pingora sets before the first request of a connection.
    fn prepare_first(&self, session: &mut ServerSession) {
        // No timeout of Pingora's: the guarded stream bounds it with one timer per connection.
        session.set_keepalive(Some(0));
        let limit = self.inner.server_options().and_then(|options| options.keepalive_request_limit);
        session.set_keepalive_reuses_remaining(limit);
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> ServerApp for ConnectionGuard<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        // Cleartext HTTP/2 is not offered, so ALPN alone decides.
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            let guarded = GuardedStream::http2(stream, &self.policy);
            return self.inner.process_new(Box::new(guarded), shutdown).await;
        }
        let guarded = Box::new(GuardedStream::http1(stream, &self.policy));
        self.serve_http1(guarded, shutdown).await;
        None
    }

    async fn cleanup(&self) {
        self.inner.http_cleanup().await;
    }
}
