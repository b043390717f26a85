//! Wrappers of applications: one puts the guarded stream around each connection, the other tells it of each request.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use kyc_telemetry::Metrics;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::protocols::{ALPN, Stream};
use pingora::server::ShutdownWatch;

use super::connection_policy::ConnectionPolicy;
use super::guarded_stream::{GuardedStream, begin_request};
use crate::settings::ProxySettings;

/// Serves each connection through a guarded stream.
#[derive(Debug)]
pub struct ConnectionGuard<A> {
    inner: Arc<A>,
    policy: Arc<ConnectionPolicy>,
}

/// Tells the guarded stream that a new request begins, for an application that does not do so itself.
#[derive(Debug)]
pub struct RequestGuard<A> {
    inner: Arc<A>,
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

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for ConnectionGuard<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        // Cleartext HTTP/2 is not offered, so ALPN alone decides.
        let http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let guarded = if http2 {
            GuardedStream::http2(stream, &self.policy)
        } else {
            GuardedStream::http1(stream, &self.policy)
        };
        self.inner.process_new(Box::new(guarded), shutdown).await
    }

    async fn cleanup(&self) {
        self.inner.cleanup().await;
    }
}

// === impl RequestGuard ===

impl<A> RequestGuard<A> {
    /// Wraps an application.
    pub fn new(inner: A) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

// Written out instead of `#[async_trait]`, which would move the session into one more boxed future.
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for RequestGuard<A> {
    fn process_new_http<'life0, 'life1, 'async_trait>(
        self: &'life0 Arc<Self>,
        session: ServerSession,
        shutdown: &'life1 ShutdownWatch,
    ) -> Pin<Box<dyn Future<Output = Option<ReusedHttpStream>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        begin_request(session.stream());
        self.inner.process_new_http(session, shutdown)
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.inner.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.inner.server_options()
    }

    fn http_cleanup<'life0, 'async_trait>(
        &'life0 self,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        self.inner.http_cleanup()
    }
}
