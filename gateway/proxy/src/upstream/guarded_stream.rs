//! The stream of a connection to an upstream: chunked responses are read strictly.
//!
//! Pingora's client session reads chunk lines with httparse, which takes more than the grammar generates. What an
//! intermediary in front of Onfido reads differently could smuggle a response of its own behind another one. The stream sees each
//! byte before Pingora does and fails the read at the first one that is ambiguous (RFC 9112 §7.1, §11.1).

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream_wrapper::delegate_io;
use crate::strict::{ChunkScan, HeadSplitter, MalformedBody, ResponseFraming};

/// A connection to an upstream that follows the responses on it.
#[derive(Debug)]
pub(super) struct GuardedStream {
    inner: Stream,
    position: Mutex<Position>,
}

/// What is read next.
#[derive(Debug)]
enum Position {
    /// A head, or what came together with it.
    Head(HeadSplitter),
    /// A body whose end does not depend on its bytes, or none.
    Opaque,
    /// A chunked body.
    Chunks(ChunkScan),
    /// It is unknown whether what follows belongs to this response.
    Unknown,
}

// === impl GuardedStream ===

impl GuardedStream {
    /// Guards a new connection.
    pub(super) fn new(inner: Stream) -> Self {
        Self { inner, position: Mutex::new(Position::head()) }
    }

    /// Finds the guard of a connection to an upstream.
    pub(super) fn of(stream: &Stream) -> Option<&Self> {
        // `Box<dyn IO>` is itself `IO`: without the explicit dereference the box would be asked.
        (**stream).as_any().downcast_ref::<Self>()
    }

    fn position(&self) -> std::sync::MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next byte begins the response to a new request.
    pub(super) fn begin_response(&self) {
        *self.position() = Position::head();
    }

    /// An interim head was read; the next one follows.
    pub(super) fn begin_next_head(&self) {
        let mut position = self.position();
        if let Position::Head(head) = &*position {
            let mut next = HeadSplitter::default();
            next.feed(head.body_prefix());
            *position = Position::Head(next);
        }
    }

    /// Begins the body after the final head.
    ///
    /// # Errors
    ///
    /// When the bytes that came together with the head begin a chunked body and are malformed.
    pub(super) fn begin_body(&self, framing: ResponseFraming) -> Result<(), MalformedBody> {
        let mut position = self.position();
        let next = match (framing, &*position) {
            (ResponseFraming::Chunked, Position::Head(head)) if head.is_complete() => {
                let mut scan = ChunkScan::default();
                scan.feed(head.body_prefix())?;
                Position::Chunks(scan)
            }
            // Pingora found the end of the head where the grammar has none.
            (ResponseFraming::Chunked, _) => return Err(MalformedBody::ChunkLine),
            (ResponseFraming::Other, _) => Position::Opaque,
            (ResponseFraming::Contradictory, _) => Position::Unknown,
        };
        *position = next;
        Ok(())
    }

    /// Returns whether the response that Pingora read to its end ends there for the strict reader too.
    pub(super) fn is_at_end(&self) -> bool {
        match &*self.position() {
            Position::Chunks(scan) => scan.is_done(),
            Position::Head(_) | Position::Opaque => true,
            Position::Unknown => false,
        }
    }
}

// === impl Position ===

impl Position {
    fn head() -> Self {
        Self::Head(HeadSplitter::default())
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), MalformedBody> {
        match self {
            Self::Head(head) => head.feed(bytes),
            Self::Opaque | Self::Unknown => {}
            Self::Chunks(scan) => scan.feed(bytes)?,
        }
        Ok(())
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, position } = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(inner).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            let position = position.get_mut().unwrap_or_else(PoisonError::into_inner);
            if let Err(malformed) = position.feed(buffer.filled().get(before..).unwrap_or_default()) {
                buffer.set_filled(before);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, malformed)));
            }
        }
        read
    }
}

impl AsyncWrite for GuardedStream {
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

delegate_io!(GuardedStream);
