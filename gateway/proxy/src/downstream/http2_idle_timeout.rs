//! Ends HTTP/2 connections on which nothing is sent or received.
//!
//! Pingora waits without a limit for the first bytes of a connection, and for those of a request body. The gateway bounds
//! silence on the whole connection rather than per stream: one timer for each connection, none for each request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection_policy::ConnectionPolicy;

/// Ends a connection on which nothing moves in either direction.
#[derive(Debug)]
pub(super) struct IdleTimeout {
    /// Not reset with each activity: when it fires, `last_activity` says how long it must go on.
    timer: Pin<Box<Sleep>>,
    /// Before the preface is complete: when the connection began.
    last_activity: Instant,
    limit: Duration,
    /// Bytes of the preface that have not come yet.
    preface_missing: usize,
}

// === impl IdleTimeout ===

impl IdleTimeout {
    /// Begins with a new connection: its preface must be there within the time of a request head.
    pub(super) fn new(policy: &ConnectionPolicy) -> Self {
        let limit = policy.head_timeout;
        let last_activity = Instant::now();
        let timer = Box::pin(sleep_until(last_activity + limit));
        Self { timer, last_activity, limit, preface_missing: PREFACE_SIZE }
    }

    /// Notes that bytes were sent or received.
    pub(super) fn note_activity(&mut self) {
        if self.preface_missing == 0 {
            self.last_activity = Instant::now();
        }
    }

    /// Ends the connection after `limit` at the latest.
    pub(super) fn end_within(&mut self, limit: Duration) {
        (self.last_activity, self.limit) = (Instant::now(), limit);
        self.timer.as_mut().reset(self.last_activity + limit);
    }

    /// Returns whether the time is over.
    pub(super) fn is_expired(&mut self, context: &mut Context<'_>) -> bool {
        while self.timer.as_mut().poll(context).is_ready() {
            let deadline = self.last_activity + self.limit;
            if deadline <= Instant::now() {
                return true;
            }
            self.timer.as_mut().reset(deadline);
        }
        false
    }

    /// Reads what is there; end of file, as if the caller had closed, when the time is over.
    pub(super) fn read(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(inner).poll_read(context, buffer) {
            if self.preface_missing > 0 {
                self.preface_missing = self.preface_missing.saturating_sub(buffer.filled().len() - before);
                if self.preface_missing == 0 {
                    self.limit = IDLE_TIMEOUT;
                }
            }
            self.note_activity();
            return Poll::Ready(result);
        }
        if self.is_expired(context) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Bytes that every HTTP/2 client begins with (RFC 9113 §3.4).
const PREFACE_SIZE: usize = 24;
/// Longer than Onfido may take for an answer, during which nothing moves.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
