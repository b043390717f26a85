//! Ends HTTP/2 connections on which nothing is sent or received.
//!
//! Pingora waits without a limit for the first bytes of a connection, and for those of a request body. The gateway limits the idle
//! time of the connection, not of each stream: one timer for each connection costs less than one for each request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection_policy::ConnectionPolicy;

/// Ends a connection after a time without traffic in either direction.
#[derive(Debug)]
pub(super) struct IdleTimeout {
    /// Not reset at each activity, which would cost more: when it fires, it is set again from `last_activity`.
    timer: Pin<Box<Sleep>>,
    /// The last traffic; until the preface is complete, the start of the connection.
    last_activity: Instant,
    limit: Duration,
    /// How many bytes of the preface have not arrived yet.
    preface_missing: usize,
}

// === impl IdleTimeout ===

impl IdleTimeout {
    /// Creates the timeout of a new connection. Its preface must arrive within the time of a request head.
    pub(super) fn new(policy: &ConnectionPolicy) -> Self {
        let limit = policy.head_timeout;
        let last_activity = Instant::now();
        let timer = Box::pin(sleep_until(last_activity + limit));
        Self { timer, last_activity, limit, preface_missing: PREFACE_SIZE }
    }

    /// Records that bytes were sent or received.
    pub(super) fn record_activity(&mut self) {
        if self.preface_missing == 0 {
            self.last_activity = Instant::now();
        }
    }

    /// Ends the connection after `limit` at the latest.
    pub(super) fn end_within(&mut self, limit: Duration) {
        (self.last_activity, self.limit) = (Instant::now(), limit);
        self.timer.as_mut().reset(self.last_activity + limit);
    }

    /// Returns whether the timeout has expired.
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

    /// Reads the available bytes; after the timeout returns the end of the stream, as if the caller had closed it.
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
            self.record_activity();
            return Poll::Ready(result);
        }
        if self.is_expired(context) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Bytes that every HTTP/2 client begins with (RFC 9113 §3.4).
const PREFACE_SIZE: usize = 24;
/// Longer than Onfido may take for an answer, because there is no traffic while the gateway waits for it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
