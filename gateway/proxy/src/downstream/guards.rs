//! What stands around an application: one wrapper per connection, one per request.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use kyc_telemetry::Metrics;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::protocols::{ALPN, Stream};
use pingora::server::ShutdownWatch;

use super::guarded_stream::{Tap, begin_request};
use super::head_guard::Ledger;
use crate::settings::ProxySettings;

/// Watches the bytes of each connection.
#[derive(Debug)]
pub struct Guarded<A> {
    inner: Arc<A>,
    ledger: Arc<Ledger>,
}

/// Tells the connection that a new request begins, then hands it to an application that does not.
#[derive(Debug)]
pub struct Entry<A> {
    inner: Arc<A>,
}

// === impl Guarded ===

impl<A> Guarded<A> {
    /// Closes connections that are quiet for [`ProxySettings::keepalive`] between requests. A request head that takes
    /// longer than [`ProxySettings::head`] is answered 408, one over 32 KiB 431.
    /// On HTTP/2, a peer that sends more than [`ProxySettings::control_frames`] beside its requests and bodies gets
    /// ENHANCE_YOUR_CALM.
    pub fn new(inner: A, settings: &ProxySettings, listener: &str, metrics: &Metrics) -> Self {
        let ledger = Arc::new(Ledger::new(settings, listener, metrics));
        Self { inner: Arc::new(inner), ledger }
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Guarded<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let tap = if http2 { Tap::frames(stream, &self.ledger) } else { Tap::heads(stream, &self.ledger) };
        self.inner.process_new(Box::new(tap), shutdown).await
    }

    async fn cleanup(&self) {
        self.inner.cleanup().await;
    }
}

// === impl Entry ===

impl<A> Entry<A> {
    /// Wraps an application.
    pub fn new(inner: A) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

// Written out instead of `#[async_trait]`, which would move the session into one more boxed future.
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Entry<A> {
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
