//! The stream between a downstream connection and Pingora's session: it sees each byte before Pingora does.
//!
//! Pingora offers no hook between the socket and its parser. A stream around the connection is the one place where the limits
//! of heads, the grammar of chunked bodies and the number of HTTP/2 frames can be checked on the bytes as they arrive. The
//! proxy finds it again through `session.stream()` to say when a head begins and that it was accepted.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use pingora::protocols::Stream;
use pingora::protocols::http::{HttpTask, ServerSession};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection_policy::ConnectionPolicy;
use super::head_guard::HeadGuard;
use super::http2_guard::Http2Guard;
use super::joined_write::JoinedWrite;
use crate::stream_wrapper::delegate_io;
use crate::strict::{LineVerdict, MalformedBody};

/// A downstream connection whose bytes are checked while they are read.
#[derive(Debug)]
pub(crate) struct GuardedStream {
    inner: Stream,
    guard: Guard,
    joined: JoinedWrite,
    /// The first bytes of a request, which were read while the connection was idle. The guard has seen them.
    first_bytes: Vec<u8>,
    /// The bytes of requests that came behind an earlier one, the next ones last. The guard sees them when they are read again.
    put_back: Vec<Bytes>,
}

/// What checks the bytes.
#[derive(Debug)]
enum Guard {
    Http1(HeadGuard),
    Http2(Http2Guard),
}

/// Says that Pingora has parsed the current head, and returns how its request line arrived; `None` on HTTP/2, which has none.
pub(crate) fn accept_head(stream: Option<&Stream>) -> Option<LineVerdict> {
    head_guard(stream).map(HeadGuard::accept_head)
}

/// Puts the bytes back that were read behind a request: they begin the next one (RFC 9112 §9.3.2). Returns the stream unless
/// Pingora and the strict parser disagree about where the request ended: then no one knows where the next one begins.
pub(crate) fn put_back(stream: Stream, surplus: Option<Bytes>) -> Option<Stream> {
    let length = surplus.as_ref().map_or(0, Bytes::len);
    if !head_guard(Some(&stream)).is_some_and(|guard| guard.agrees_on_surplus(length)) {
        return None;
    }
    let Some(bytes) = surplus else { return Some(stream) };
    let mut guarded: Box<GuardedStream> = stream.into_any().downcast().ok()?;
    guarded.put_back.push(bytes);
    Some(guarded)
}

/// Checks the chunked body of the current request from its first byte on.
///
/// # Errors
///
/// When what came together with the head is malformed. Malformed bytes that come later end the reading with an [`io::Error`] of
/// [`MalformedBody`].
pub(crate) fn guard_chunked_body(stream: Option<&Stream>) -> Result<(), MalformedBody> {
    head_guard(stream).map_or(Ok(()), HeadGuard::guard_chunked_body)
}

/// Ends the guard over the head of a request, for an application other than the proxy that has read it.
pub fn end_head_guard(session: &ServerSession) {
    accept_head(session.stream());
}

/// Holds the next write back until the one after it, and writes both together: a response head with the first piece of its body.
/// Only for writes that a second one or a flush follows. On HTTP/2 frames are joined by h2 itself.
pub(crate) fn join_next_write(stream: Option<&Stream>) {
    if let Some(stream) = stream.and_then(guarded) {
        stream.joined.begin();
    }
}

/// Joins a response head with the piece of its body behind it. A head without one leaves at once: the next piece may be late.
pub(crate) fn join_head_and_body(stream: Option<&Stream>, tasks: &[HttpTask]) {
    if let [HttpTask::Header(..), HttpTask::Body(Some(piece), _)] = tasks
        && !piece.is_empty()
    {
        join_next_write(stream);
    }
}

fn head_guard(stream: Option<&Stream>) -> Option<&HeadGuard> {
    match &guarded(stream?)?.guard {
        Guard::Http1(guard) => Some(guard),
        Guard::Http2(_) => None,
    }
}

fn guarded(stream: &Stream) -> Option<&GuardedStream> {
    // `Box<dyn IO>` is itself `IO`: without the explicit dereference the box would be asked.
    (**stream).as_any().downcast_ref::<GuardedStream>()
}

// === impl GuardedStream ===

impl GuardedStream {
    /// Guards a new HTTP/1 connection, at the begin of its first request.
    pub(super) fn http1(inner: Stream, policy: &Arc<ConnectionPolicy>) -> Self {
        let digest = inner.get_socket_digest();
        let peer = digest.and_then(|digest| digest.peer_addr()?.as_inet().copied());
        Self::new(inner, Guard::Http1(HeadGuard::new(Arc::clone(policy), peer)))
    }

    /// Guards a new HTTP/2 connection.
    pub(super) fn http2(inner: Stream, policy: &Arc<ConnectionPolicy>) -> Self {
        Self::new(inner, Guard::Http2(Http2Guard::new(policy)))
    }

    fn new(inner: Stream, guard: Guard) -> Self {
        Self { inner, guard, joined: JoinedWrite::default(), first_bytes: Vec::new(), put_back: Vec::new() }
    }

    /// What is read next begins a request.
    pub(super) fn begin_request(&self) {
        match &self.guard {
            Guard::Http1(guard) => guard.begin_request(),
            Guard::Http2(_) => {}
        }
    }

    /// Waits for the first bytes of a request, and keeps them for the next read; `false` when the connection is over.
    pub(super) async fn receive_request(&mut self) -> bool {
        poll_fn(|context| {
            let mut bytes = [MaybeUninit::uninit(); FIRST_READ_SIZE];
            let mut buffer = ReadBuf::uninit(&mut bytes);
            let read = ready!(Pin::new(&mut *self).poll_read(context, &mut buffer));
            self.first_bytes = buffer.filled().to_vec();
            Poll::Ready(read.is_ok() && !self.first_bytes.is_empty())
        })
        .await
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, guard, first_bytes, put_back, .. } = self.get_mut();
        let guard = match guard {
            Guard::Http1(guard) => guard,
            Guard::Http2(guard) => return guard.read(inner, context, buffer),
        };
        if !first_bytes.is_empty() {
            let count = first_bytes.len().min(buffer.remaining());
            let rest = first_bytes.split_off(count);
            buffer.put_slice(first_bytes);
            *first_bytes = rest;
            return Poll::Ready(Ok(()));
        }
        // Bodies: one branch and no scan for those that are not chunked.
        if guard.is_head_accepted() {
            let before = buffer.filled().len();
            let read = read_next(inner, put_back, context, buffer);
            if matches!(read, Poll::Ready(Ok(())))
                && let Err(malformed) = guard.feed_body(buffer.filled().get(before..).unwrap_or_default())
            {
                // Takes the bytes back, so that Pingora never parses them.
                buffer.set_filled(before);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, malformed)));
            }
            return read;
        }
        loop {
            if let Some(refusal) = guard.refusal() {
                // A caller that does not read its refusal now must not keep the connection.
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
            if let Poll::Ready(result) = read_next(inner, put_back, context, buffer) {
                guard.feed_head(buffer.filled().get(before..).unwrap_or_default());
                return Poll::Ready(result);
            }
            if !guard.is_timed_out(context) {
                return Poll::Pending;
            }
            if guard.refusal().is_none() {
                // As if the caller had closed.
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Reads what was put back, then from the connection.
fn read_next(
    inner: &mut Stream,
    put_back: &mut Vec<Bytes>,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let Some(mut bytes) = put_back.pop() else { return Pin::new(inner).poll_read(context, buffer) };
    buffer.put_slice(&bytes.split_to(bytes.len().min(buffer.remaining())));
    if !bytes.is_empty() {
        put_back.push(bytes);
    }
    Poll::Ready(Ok(()))
}

impl AsyncWrite for GuardedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { inner, guard, joined, .. } = self.get_mut();
        match guard {
            Guard::Http1(guard) => guard.note_response(bytes),
            Guard::Http2(guard) => return guard.write(inner, context, bytes),
        }
        joined.write(inner, context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, guard, joined, .. } = self.get_mut();
        match guard {
            Guard::Http1(guard) => guard.note_response(slices.first().map_or(&[], |slice| slice)),
            Guard::Http2(guard) => return guard.write_vectored(inner, context, slices),
        }
        joined.write_vectored(inner, context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, joined, .. } = self.get_mut();
        joined.flush(inner, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, joined, .. } = self.get_mut();
        ready!(joined.write_held(inner, context))?;
        Pin::new(inner).poll_shutdown(context)
    }
}

delegate_io!(GuardedStream);

/// Most request heads fit. It is read onto the stack, so that an idle connection holds no buffer.
const FIRST_READ_SIZE: usize = 4096;
