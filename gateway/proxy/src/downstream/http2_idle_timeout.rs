//! How long an HTTP/2 connection may be quiet.
//!
//! Pingora waits for its first bytes without end, and for those of a request body too.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::head_guard::Ledger;

/// Ends a connection on which nothing moves in either direction.
#[derive(Debug)]
pub(super) struct Quiet {
    /// Outlives the waits it was set for.
    timer: Pin<Box<Sleep>>,
    /// When something moved last; before the preface is whole: when the connection began.
    since: Instant,
    limit: Duration,
    /// Bytes that are still missing of the preface.
    missing: usize,
}

// === impl Quiet ===

impl Quiet {
    /// Begins with a connection that is set up: its preface must be there within a request head's time.
    pub(super) fn new(ledger: &Ledger) -> Self {
        let since = Instant::now();
        Self {
            timer: Box::pin(sleep_until(since + ledger.head)),
            since,
            limit: ledger.head,
            missing: PREFACE,
        }
    }

    /// Notes that something moved.
    pub(super) fn stir(&mut self) {
        if self.missing == 0 {
            self.since = Instant::now();
        }
    }

    /// Ends the connection after `limit`, whatever moves until then.
    pub(super) fn end_within(&mut self, limit: Duration) {
        (self.since, self.limit) = (Instant::now(), limit);
        self.timer.as_mut().reset(self.since + limit);
    }

    /// Says whether the time is over.
    pub(super) fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        while self.timer.as_mut().poll(context).is_ready() {
            let until = self.since + self.limit;
            if until <= Instant::now() {
                return true;
            }
            self.timer.as_mut().reset(until);
        }
        false
    }

    /// Reads what is there; the end, as if the caller had closed, when the time is over.
    pub(super) fn read(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(inner).poll_read(context, buffer) {
            if self.missing > 0 {
                self.missing = self.missing.saturating_sub(buffer.filled().len() - before);
                if self.missing == 0 {
                    self.limit = LIMIT;
                }
            }
            self.stir();
            return Poll::Ready(result);
        }
        if self.is_over(context) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Bytes that every HTTP/2 client begins with (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// Longer than Onfido may take for an answer, during which nothing moves.
const LIMIT: Duration = Duration::from_secs(600);
