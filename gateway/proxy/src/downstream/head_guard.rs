//! Bounds the size and the time of request heads on an HTTP/1 connection, and checks the bytes that Pingora hides.
//!
//! Pingora takes heads of up to 1 MiB, has a timeout for each read but none for a whole head, and escapes illegal bytes of the
//! request line before anyone can look at them. So the guard follows each head in the bytes of the connection: its first line
//! is read strictly, a head that is too large or too slow gets its response here, and a chunked body is read strictly beside
//! Pingora (ADR 18).
//!
//! The guard is inside the stream that Pingora's session owns. The proxy reaches it only through a shared reference, which is
//! why the state that it changes from outside is an atomic.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Context;

use kyc_model::{ProblemKind, RequestId};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::connection_policy::ConnectionPolicy;
use crate::response::raw_error_response;
use crate::settings::MAX_HEAD_SIZE;
use crate::strict::{ChunkScan, HeadSplitter, LineScan, LineVerdict, MalformedBody};

/// Guards the heads of one connection, one after the other.
#[derive(Debug)]
pub(super) struct HeadGuard {
    line: LineScan,
    /// Where the current head ends, and what came together with it.
    splitter: HeadSplitter,
    /// The current body, if it is chunked and not all of it came with its head.
    chunked_body: Option<ChunkScan>,
    /// Bytes of the current head so far.
    head_size: usize,
    /// Kept from one wait to the next: most waits end long before their timer fires, and creating one for each request costs
    /// more than all other checks here.
    timer: Option<Pin<Box<Sleep>>>,
    /// When the current head is too late.
    head_deadline: Option<Instant>,
    /// Whether the timer fired since the connection became idle.
    has_timer_fired: bool,
    refusal: Option<PendingResponse>,
    /// The status that Pingora itself answered before the proxy saw the request.
    pingora_status: Option<u16>,
    policy: Arc<ConnectionPolicy>,
    peer: Option<SocketAddr>,
    /// One of the constants below.
    state: AtomicU8,
}

/// The response to a refused head, while it is written.
#[derive(Debug)]
pub(super) struct PendingResponse {
    kind: ProblemKind,
    request_id: RequestId,
    bytes: Vec<u8>,
    written: usize,
}

// === impl HeadGuard ===

impl HeadGuard {
    /// Begins with the first request of a connection.
    pub(super) fn new(policy: Arc<ConnectionPolicy>, peer: Option<SocketAddr>) -> Self {
        Self {
            line: LineScan::default(),
            splitter: HeadSplitter::default(),
            chunked_body: None,
            head_size: 0,
            timer: None,
            head_deadline: None,
            has_timer_fired: false,
            refusal: None,
            pingora_status: None,
            policy,
            peer,
            state: AtomicU8::new(READING_LINE),
        }
    }

    /// Prepares for the next request: the next byte from downstream begins it.
    pub(super) fn begin_request(&self) {
        if matches!(self.state.load(Ordering::Relaxed), HEAD_ACCEPTED | CHUNKED_BODY) {
            self.state.store(IDLE, Ordering::Relaxed);
        }
    }

    /// Accepts the head that Pingora has parsed; returns whether its request line follows the grammar.
    pub(super) fn accept_head(&self) -> LineVerdict {
        match self.state.swap(HEAD_ACCEPTED, Ordering::Relaxed) {
            LINE_STRICT => LineVerdict::Strict,
            _ => LineVerdict::Lenient,
        }
    }

    /// Parses the chunked body of the accepted head strictly, beginning with the bytes that arrived with the head.
    pub(super) fn guard_chunked_body(&self) -> Result<(), MalformedBody> {
        ChunkScan::default().feed(self.splitter.body_prefix())?;
        self.state.store(CHUNKED_BODY, Ordering::Relaxed);
        Ok(())
    }

    /// Returns whether the strict parser, too, read `surplus` bytes behind the body of the current request. Where it does not, the
    /// start of the next request is unknown. Only the end of a chunked body depends on its bytes.
    pub(super) fn agrees_on_surplus(&self, surplus: usize) -> bool {
        if self.state.load(Ordering::Relaxed) == CHUNKED_BODY {
            // All of it came with its head.
            let mut scan = ChunkScan::default();
            return scan.feed(self.splitter.body_prefix()).is_ok() && scan.is_followed_by(surplus);
        }
        self.chunked_body.as_ref().is_none_or(|scan| scan.is_followed_by(surplus))
    }

    /// Returns whether the current head was accepted, so that what is read now is its body.
    pub(super) fn is_head_accepted(&mut self) -> bool {
        matches!(*self.state.get_mut(), HEAD_ACCEPTED | CHUNKED_BODY)
    }

    /// Checks bytes of a body.
    pub(super) fn feed_body(&mut self, bytes: &[u8]) -> Result<(), MalformedBody> {
        if *self.state.get_mut() == CHUNKED_BODY {
            let mut scan = ChunkScan::default();
            scan.feed(self.splitter.body_prefix())?;
            self.chunked_body = Some(scan);
            *self.state.get_mut() = HEAD_ACCEPTED;
        }
        self.chunked_body.as_mut().map_or(Ok(()), |scan| scan.feed(bytes))
    }

    /// Checks bytes of a head.
    pub(super) fn feed_head(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if *self.state.get_mut() == IDLE {
            self.reset();
        }
        self.head_size += bytes.len();
        self.splitter.feed(bytes);
        if *self.state.get_mut() == READING_LINE {
            self.line = self.line.feed(bytes);
            if let LineScan::Done(verdict) = self.line {
                *self.state.get_mut() = match verdict {
                    LineVerdict::Strict => LINE_STRICT,
                    LineVerdict::Lenient => LINE_LENIENT,
                };
            }
        }
    }

    /// Prepares for the next head of the connection.
    fn reset(&mut self) {
        // If Pingora found the end of a chunked body where the strict parser did not, the start of the next request is unknown: it is
        // refused as malformed.
        let is_lost = self.chunked_body.take().is_some_and(|scan| !scan.is_done());
        *self.state.get_mut() = if is_lost { LINE_LENIENT } else { READING_LINE };
        self.splitter = HeadSplitter::default();
        (self.line, self.head_size) = (LineScan::default(), 0);
        (self.head_deadline, self.has_timer_fired) = (None, false);
        (self.refusal, self.pingora_status) = (None, None);
    }

    /// Returns the response to a refused head. Called before each read.
    pub(super) fn refusal(&mut self) -> Option<&mut PendingResponse> {
        if self.refusal.is_none() && self.head_size > MAX_HEAD_SIZE as usize {
            self.refusal = Some(PendingResponse::new(ProblemKind::HeaderTooLarge));
        }
        self.refusal.as_mut()
    }

    /// Returns whether the current wait has timed out. Called while no bytes are available. A caller that has sent no byte of a head
    /// gets no response.
    pub(super) fn is_timed_out(&mut self, context: &mut Context<'_>) -> bool {
        if *self.state.get_mut() == IDLE {
            self.is_idle_timed_out(context)
        } else {
            self.is_head_timed_out(context)
        }
    }

    /// Returns whether the head is late. The time of a head begins with its first byte; for the first head, with the connection.
    fn is_head_timed_out(&mut self, context: &mut Context<'_>) -> bool {
        let deadline = *self.head_deadline.get_or_insert_with(|| Instant::now() + self.policy.head_timeout);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        let is_late = timer.as_mut().poll(context).is_ready();
        if is_late && self.head_size > 0 {
            self.refusal = Some(PendingResponse::new(ProblemKind::RequestTimeout));
        }
        is_late
    }

    /// Reads no clock, because one reading per request would cost more than the rest of this check: the timer of an earlier wait
    /// may fire first, and only its second firing ends the connection. So a connection is closed after between one and two
    /// idle timeouts.
    fn is_idle_timed_out(&mut self, context: &mut Context<'_>) -> bool {
        let idle = self.policy.idle_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(idle)));
        while timer.as_mut().poll(context).is_ready() {
            if std::mem::replace(&mut self.has_timer_fired, true) {
                return true;
            }
            timer.as_mut().reset(Instant::now() + idle);
        }
        false
    }

    /// Records the status of a response that is written before the proxy has the request: it is Pingora's own refusal.
    pub(super) fn note_response(&mut self, bytes: &[u8]) {
        if *self.state.get_mut() != HEAD_ACCEPTED && self.pingora_status.is_none() {
            let digits = bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
            self.pingora_status = digits.and_then(|digits| digits.parse().ok());
        }
    }
}

impl Drop for HeadGuard {
    fn drop(&mut self) {
        if self.head_size > 0 && matches!(*self.state.get_mut(), READING_LINE | LINE_STRICT | LINE_LENIENT) {
            let refused = self.refusal.as_ref().map(|refusal| (refusal.kind, refusal.request_id));
            self.policy.record_unserved(refused, self.pingora_status, self.peer);
        }
    }
}

// === impl PendingResponse ===

impl PendingResponse {
    fn new(kind: ProblemKind) -> Self {
        let request_id = RequestId::new();
        Self { kind, request_id, bytes: raw_error_response(kind, request_id), written: 0 }
    }

    /// Returns the bytes that are not written yet.
    pub(super) fn rest(&self) -> Option<&[u8]> {
        self.bytes.get(self.written..).filter(|rest| !rest.is_empty())
    }

    /// Records that `written` bytes were written.
    pub(super) fn advance(&mut self, written: usize) {
        self.written += written;
    }
}

/// A response was sent; no byte of the next head has arrived.
const IDLE: u8 = 0;
/// The request line is being read.
const READING_LINE: u8 = 1;
/// The request line follows the grammar; the rest of the head is being read.
const LINE_STRICT: u8 = 2;
/// The request line does not follow the grammar; the rest of the head is being read.
const LINE_LENIENT: u8 = 3;
/// The proxy has the head.
const HEAD_ACCEPTED: u8 = 4;
/// The proxy has the head, and its body is chunked.
const CHUNKED_BODY: u8 = 5;
