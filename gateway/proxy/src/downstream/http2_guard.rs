//! Ends an HTTP/2 connection with ENHANCE_YOUR_CALM once its peer has used its budget of control frames.
//!
//! The library h2 has no function to send this GOAWAY, so the guard writes the frame itself: it waits until the frame that h2 is
//! writing is complete, and lets h2 write nothing afterwards. Then it reads and discards what the peer still sends, until the peer
//! has closed: a connection that is closed with unread bytes is reset, and the GOAWAY could be lost (RFC 9112 §9.6 has the same
//! for HTTP/1.1).

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::connection_policy::ConnectionPolicy;
use super::control_frames::{ControlFrameBudget, GOAWAY};
use super::http2_idle_timeout::IdleTimeout;

/// Limits the control frames and the idle time of a connection.
#[derive(Debug)]
pub(super) struct Http2Guard {
    idle: IdleTimeout,
    budget: ControlFrameBudget,
    goaway: Option<GoAway>,
    policy: Arc<ConnectionPolicy>,
}

/// The GOAWAY that ends a connection after its budget is used up.
#[derive(Debug, Default)]
struct GoAway {
    /// How many bytes of the frame are written.
    written: usize,
    /// Whether the gateway's side of the connection is closed.
    is_closed: bool,
    /// The reading task, which is woken when the frame in progress is written.
    reader: Option<Waker>,
}

// === impl Http2Guard ===

impl Http2Guard {
    /// Guards a new connection.
    pub(super) fn new(policy: &Arc<ConnectionPolicy>) -> Self {
        Self {
            idle: IdleTimeout::new(policy),
            budget: ControlFrameBudget::new(policy.control_frames),
            goaway: None,
            policy: Arc::clone(policy),
        }
    }

    /// Reads the available bytes; returns an error after the budget is used up and the connection is ended.
    pub(super) fn read(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.goaway.is_none() {
            let before = buffer.filled().len();
            ready!(self.idle.read(inner, context, buffer))?;
            let arrived = buffer.filled().get(before..).unwrap_or_default();
            if self.budget.receive(arrived, Instant::now()) {
                return Poll::Ready(Ok(()));
            }
            // Removes the bytes from the buffer, so that h2 spends no time on them.
            buffer.set_filled(before);
            self.policy.connections.ended("control_frames");
            self.idle.end_within(GOAWAY_TIMEOUT);
            self.goaway = Some(GoAway::default());
        }
        if let Poll::Ready(error) = self.poll_end(inner, context) {
            return Poll::Ready(Err(error));
        }
        if let Some(goaway) = &mut self.goaway {
            goaway.reader = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Writes bytes of h2; after the budget is used up, only the rest of the current frame.
    pub(super) fn write(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut bytes = bytes;
        if self.goaway.is_some() {
            match self.poll_end(inner, context) {
                Poll::Ready(error) => return Poll::Ready(Err(error)),
                Poll::Pending if self.budget.is_between_frames() => return Poll::Pending,
                Poll::Pending => {}
            }
            bytes = bytes.get(..self.budget.remaining_in_frame(bytes)).unwrap_or_default();
        }
        let written = ready!(Pin::new(inner).poll_write(context, bytes))?;
        self.record_written(bytes, written);
        Poll::Ready(Ok(written))
    }

    /// Writes several slices, like [`Http2Guard::write`].
    pub(super) fn write_vectored(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.goaway.is_some() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.write(inner, context, first.map_or(&[], |slice| slice));
        }
        let written = ready!(Pin::new(inner).poll_write_vectored(context, slices))?;
        let mut rest = written;
        for slice in slices {
            let of_this = rest.min(slice.len());
            self.record_written(slice, of_this);
            rest -= of_this;
        }
        Poll::Ready(Ok(written))
    }

    fn record_written(&mut self, bytes: &[u8], count: usize) {
        self.budget.send(bytes.get(..count).unwrap_or_default());
        match &mut self.goaway {
            None => self.idle.record_activity(),
            Some(goaway) if self.budget.is_between_frames() => {
                if let Some(reader) = goaway.reader.take() {
                    reader.wake();
                }
            }
            Some(_) => {}
        }
    }

    /// Once the frame in progress is written, writes the GOAWAY and closes the gateway's side, then waits until the peer has closed,
    /// too. The task of h2 waits in a read or in a write meanwhile: both call this function.
    fn poll_end(&mut self, inner: &mut Stream, context: &mut Context<'_>) -> Poll<io::Error> {
        // A peer that does not read the GOAWAY, or does not close, must not keep its connection open.
        if self.idle.is_expired(context) {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        if !self.budget.is_between_frames() {
            return Poll::Pending;
        }
        let sent = ready!(self.goaway.get_or_insert_default().send(inner, context));
        sent.map_or_else(Poll::Ready, |()| discard(inner, context))
    }
}

// === impl GoAway ===

impl GoAway {
    /// Writes the frame, then FIN (or close_notify).
    fn send(&mut self, inner: &mut Stream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_closed {
            return Poll::Ready(Ok(()));
        }
        let mut stream = Pin::new(inner);
        while let Some(rest) = GOAWAY.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(stream.as_mut().poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        ready!(stream.poll_shutdown(context))?;
        self.is_closed = true;
        Poll::Ready(Ok(()))
    }
}

/// Reads until the peer has closed.
fn discard(inner: &mut Stream, context: &mut Context<'_>) -> Poll<io::Error> {
    let mut bytes = [MaybeUninit::uninit(); DISCARD_SIZE];
    loop {
        let mut buffer = ReadBuf::uninit(&mut bytes);
        match ready!(Pin::new(&mut *inner).poll_read(context, &mut buffer)) {
            Ok(()) if !buffer.filled().is_empty() => {}
            Ok(()) => return Poll::Ready(io::ErrorKind::ConnectionAborted.into()),
            Err(error) => return Poll::Ready(error),
        }
    }
}

/// The time for sending the rest of a frame and the GOAWAY to a peer that has used up its budget, and for its close.
const GOAWAY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that one read of the discarded rest takes, on the stack.
const DISCARD_SIZE: usize = 4096;
