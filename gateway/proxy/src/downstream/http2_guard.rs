//! An HTTP/2 connection that ends with ENHANCE_YOUR_CALM when its peer has used its budget.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::control_frames::{Budget, CALM};
use super::head_guard::Ledger;
use super::http2_idle_timeout::Quiet;

/// Watches the frames of a connection, and for how long it is quiet.
#[derive(Debug)]
pub(super) struct Calm {
    quiet: Quiet,
    budget: Budget,
    ending: Option<Ending>,
    ledger: Arc<Ledger>,
}

/// A connection whose budget is used.
#[derive(Debug, Default)]
struct Ending {
    /// Bytes of the last frame that are written.
    written: usize,
    /// Who reads while a frame is still being written.
    reader: Option<Waker>,
}

// === impl Calm ===

impl Calm {
    /// Begins with a connection that is set up.
    pub(super) fn new(ledger: &Arc<Ledger>) -> Self {
        Self {
            quiet: Quiet::new(ledger),
            budget: Budget::new(ledger.control_frames),
            ending: None,
            ledger: Arc::clone(ledger),
        }
    }

    /// Reads what is there; an error when the budget is used and the peer was told.
    pub(super) fn read(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ending.is_none() {
            let before = buffer.filled().len();
            ready!(self.quiet.read(inner, context, buffer))?;
            let arrived = buffer.filled().get(before..).unwrap_or_default();
            if self.budget.arrived(arrived, Instant::now()) {
                return Poll::Ready(Ok(()));
            }
            buffer.set_filled(before);
            self.ledger.connections.ended("control_frames");
            self.quiet.end_within(GRACE);
            self.ending = Some(Ending::default());
        }
        // A peer that reads nothing is not waited for.
        if self.quiet.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if self.budget.is_between_frames() {
            return self.say_goodbye(inner, context).map(Err);
        }
        if let Some(ending) = &mut self.ending {
            ending.reader = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Writes; once the budget is used no more than the rest of the frame that was begun.
    pub(super) fn write(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut bytes = bytes;
        if self.ending.is_some() {
            if self.budget.is_between_frames() {
                return self.say_goodbye(inner, context).map(Err);
            }
            bytes = bytes.get(..self.budget.rest_of_frame(bytes)).unwrap_or_default();
        }
        let written = ready!(Pin::new(inner).poll_write(context, bytes))?;
        self.wrote(bytes, written);
        Poll::Ready(Ok(written))
    }

    /// The same for several pieces.
    pub(super) fn write_vectored(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.ending.is_some() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.write(inner, context, first.map_or(&[], |slice| slice));
        }
        let written = ready!(Pin::new(inner).poll_write_vectored(context, slices))?;
        let mut rest = written;
        for slice in slices {
            let of_this = rest.min(slice.len());
            self.wrote(slice, of_this);
            rest -= of_this;
        }
        Poll::Ready(Ok(written))
    }

    fn wrote(&mut self, bytes: &[u8], count: usize) {
        self.budget.left(bytes.get(..count).unwrap_or_default());
        match &mut self.ending {
            None => self.quiet.stir(),
            Some(ending) if self.budget.is_between_frames() => {
                if let Some(reader) = ending.reader.take() {
                    reader.wake();
                }
            }
            Some(_) => {}
        }
    }

    /// Writes the last frame, then closes: whatever h2 still has for the peer is dropped.
    fn say_goodbye(&mut self, inner: &mut Stream, context: &mut Context<'_>) -> Poll<io::Error> {
        let mut stream = Pin::new(inner);
        if let Some(ending) = &mut self.ending {
            while let Some(rest) = CALM.get(ending.written..).filter(|rest| !rest.is_empty()) {
                match ready!(stream.as_mut().poll_write(context, rest)) {
                    Ok(written @ 1..) => ending.written += written,
                    Ok(0) => return Poll::Ready(io::ErrorKind::WriteZero.into()),
                    Err(error) => return Poll::Ready(error),
                }
            }
        }
        if let Err(error) = ready!(stream.as_mut().poll_flush(context)) {
            return Poll::Ready(error);
        }
        // Says that nothing follows; the end itself comes when the stream is dropped.
        let _ = stream.poll_shutdown(context);
        Poll::Ready(io::ErrorKind::ConnectionAborted.into())
    }
}

/// How long a peer that has used its budget may take to read the rest of a frame.
const GRACE: Duration = Duration::from_secs(2);
