//! A downstream connection whose request heads are watched while they are read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::head_guard::{Ledger, Watch};
use super::http2_guard::Calm;
use crate::stream_wrapper::delegate_io;
use crate::strict::{LineVerdict, MalformedBody};

/// A stream that knows how the head of the current request arrives, and ends one that is too large or too slow.
#[derive(Debug)]
pub(crate) struct Tap {
    inner: Stream,
    watch: Watched,
}

/// What is watched.
#[derive(Debug)]
enum Watched {
    /// The heads of HTTP/1.
    Heads(Watch),
    /// The frames of HTTP/2.
    Frames(Calm),
}

/// Ends the watch over the current request's head and says how its line arrived; `None` on HTTP/2, which has
/// none.
pub(crate) fn admit_head(stream: Option<&Stream>) -> Option<LineVerdict> {
    heads(stream).map(Watch::admit)
}

/// Watches a chunked body from its first byte on.
///
/// # Errors
///
/// When what came together with the head is malformed; later bytes that are end the reading with an [`io::Error`] of
/// [`MalformedBody`].
pub(crate) fn admit_chunks(stream: Option<&Stream>) -> Result<(), MalformedBody> {
    heads(stream).map_or(Ok(()), Watch::admit_chunks)
}

/// Ends the watch over the head of a request that something else than the proxy answers.
pub fn head_is_whole(session: &ServerSession) {
    admit_head(session.stream());
}

/// Says that what is read next begins a request.
pub(crate) fn begin_request(stream: Option<&Stream>) {
    if let Some(watch) = heads(stream) {
        watch.begin();
    }
}

fn heads(stream: Option<&Stream>) -> Option<&Watch> {
    // `Box<dyn IO>` is itself `IO`: without the explicit dereference the box would be asked.
    match &(**stream?).as_any().downcast_ref::<Tap>()?.watch {
        Watched::Heads(watch) => Some(watch),
        Watched::Frames(_) => None,
    }
}

// === impl Tap ===

impl Tap {
    /// Watches a new connection, at the begin of its first request.
    pub(super) fn heads(inner: Stream, ledger: &Arc<Ledger>) -> Self {
        let digest = inner.get_socket_digest();
        let peer = digest.and_then(|digest| digest.peer_addr()?.as_inet().copied());
        Self { inner, watch: Watched::Heads(Watch::new(Arc::clone(ledger), peer)) }
    }

    /// Watches a new connection that speaks HTTP/2.
    pub(super) fn frames(inner: Stream, ledger: &Arc<Ledger>) -> Self {
        Self { inner, watch: Watched::Frames(Calm::new(ledger)) }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, watch } = self.get_mut();
        let watch = match watch {
            Watched::Heads(watch) => watch,
            Watched::Frames(calm) => return calm.read(inner, context, buffer),
        };
        if watch.is_admitted() {
            let before = buffer.filled().len();
            let read = Pin::new(inner).poll_read(context, buffer);
            if matches!(read, Poll::Ready(Ok(())))
                && let Err(malformed) = watch.feed_body(buffer.filled().get(before..).unwrap_or_default())
            {
                buffer.set_filled(before);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, malformed)));
            }
            return read;
        }
        loop {
            if let Some(refusal) = watch.refusal() {
                // Whoever does not read by now is not waited for.
                while let Some(rest) = refusal.rest() {
                    match Pin::new(&mut *inner).poll_write(context, rest) {
                        Poll::Ready(Ok(written @ 1..)) => refusal.advance(written),
                        Poll::Ready(Ok(0) | Err(_)) | Poll::Pending => break,
                    }
                }
                let _ = Pin::new(inner).poll_flush(context);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let before = buffer.filled().len();
            if let Poll::Ready(result) = Pin::new(&mut *inner).poll_read(context, buffer) {
                watch.feed(buffer.filled().get(before..).unwrap_or_default());
                return Poll::Ready(result);
            }
            if !watch.is_over(context) {
                return Poll::Pending;
            }
            if watch.refusal().is_none() {
                // As if the caller had closed.
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { inner, watch } = self.get_mut();
        match watch {
            Watched::Heads(watch) => watch.answered(bytes),
            Watched::Frames(calm) => return calm.write(inner, context, bytes),
        }
        Pin::new(inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, watch } = self.get_mut();
        match watch {
            Watched::Heads(watch) => watch.answered(slices.first().map_or(&[], |slice| slice)),
            Watched::Frames(calm) => return calm.write_vectored(inner, context, slices),
        }
        Pin::new(inner).poll_write_vectored(context, slices)
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

delegate_io!(Tap);
