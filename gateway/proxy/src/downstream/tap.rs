//! A downstream connection whose request lines are watched while they are read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::strict::{LineScan, LineVerdict};

/// A stream that remembers whether the request line of the current request was strict.
#[derive(Debug)]
pub(crate) struct Tap {
    inner: Stream,
    scan: LineScan,
    /// What the outside sees and sets: one of the constants below.
    signal: AtomicU8,
}

/// How the current request's line arrived; `None` on HTTP/2, which has none.
pub(crate) fn line_verdict(stream: Option<&Stream>) -> Option<LineVerdict> {
    match tap(stream)?.signal.load(Ordering::Relaxed) {
        STRICT => Some(LineVerdict::Strict),
        _ => Some(LineVerdict::Lax),
    }
}

/// Says that what is read next begins a request.
pub(crate) fn begin_request(stream: Option<&Stream>) {
    if let Some(tap) = tap(stream) {
        tap.signal.store(BEGIN, Ordering::Relaxed);
    }
}

fn tap(stream: Option<&Stream>) -> Option<&Tap> {
    // `Box<dyn IO>` is itself `IO`: without the explicit dereference the box would be asked.
    (**stream?).as_any().downcast_ref::<Tap>()
}

// === impl Tap ===

impl Tap {
    /// Watches a new connection, at the begin of its first request.
    pub(crate) fn new(inner: Stream) -> Self {
        Self { inner, scan: LineScan::default(), signal: AtomicU8::new(BEGIN) }
    }

    fn watch(&mut self, bytes: &[u8]) {
        let signal = self.signal.get_mut();
        if *signal == BEGIN {
            self.scan = LineScan::default();
            *signal = READING;
        }
        if *signal == READING {
            self.scan = self.scan.feed(bytes);
            match self.scan {
                LineScan::Done(LineVerdict::Strict) => *signal = STRICT,
                LineScan::Done(LineVerdict::Lax) => *signal = LAX,
                LineScan::Start
                | LineScan::Method
                | LineScan::Target
                | LineScan::Version
                | LineScan::LineFeed => {}
            }
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let result = Pin::new(&mut this.inner).poll_read(context, buffer);
        if *this.signal.get_mut() <= READING
            && let Some(bytes) = buffer.filled().get(before..)
            && !bytes.is_empty()
        {
            this.watch(bytes);
        }
        result
    }
}

impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for Tap {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl UniqueID for Tap {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Tap {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Tap {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> std::time::Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> std::time::Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for Tap {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for Tap {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

#[async_trait]
impl Peek for Tap {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.inner.try_peek(buffer).await
    }
}

const BEGIN: u8 = 0;
const READING: u8 = 1;
const STRICT: u8 = 2;
const LAX: u8 = 3;
