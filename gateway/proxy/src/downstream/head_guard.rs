//! How a request head arrives: the form of its line, its size, its time; and what becomes of one that never
//! reaches the proxy.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Context;
use std::time::Duration;

use kyc_model::{ProblemKind, RequestId};
use kyc_telemetry::{AccessRecord, ConnectionMetrics, Metrics, RouteMetrics};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::access_log::{self, CLIENT_GONE};
use crate::response::{last_answer, status as status_of};
use crate::settings::{MAX_HEAD_SIZE, ProxySettings};
use crate::strict::{ChunkScan, HeadEnd, LineScan, LineVerdict, MalformedBody};

/// Watches the heads of one connection, one after the other.
#[derive(Debug)]
pub(super) struct Watch {
    scan: LineScan,
    /// Where the current head ends, and what came together with it.
    head_end: HeadEnd,
    /// The current body, if it is chunked and not all of it came with its head.
    chunks: Option<ChunkScan>,
    /// Bytes of the current head so far.
    seen: usize,
    /// Outlives the wait it was set for: most waits end long before it rings, and setting one for each request
    /// costs more than all that is watched.
    timer: Option<Pin<Box<Sleep>>>,
    /// When the current head is late.
    until: Option<Instant>,
    /// Whether the timer rang while the connection is idle.
    rang: bool,
    refusal: Option<Refusal>,
    /// The status that Pingora itself answered before the proxy saw the request.
    status: Option<u16>,
    ledger: Arc<Ledger>,
    peer: Option<SocketAddr>,
    /// What the outside sees and sets: one of the constants below.
    signal: AtomicU8,
}

/// The limits of a connection, and where heads are written down that never reach the proxy.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) head: Duration,
    idle: Duration,
    /// Of HTTP/2: what a new connection may send beside requests and bodies.
    pub(super) control_frames: u32,
    metrics: RouteMetrics,
    pub(super) connections: ConnectionMetrics,
    listener: String,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Refusal {
    kind: ProblemKind,
    request_id: RequestId,
    bytes: Vec<u8>,
    written: usize,
}

// === impl Watch ===

impl Watch {
    /// Begins with the first request of a connection.
    pub(super) fn new(ledger: Arc<Ledger>, peer: Option<SocketAddr>) -> Self {
        Self {
            scan: LineScan::default(),
            head_end: HeadEnd::default(),
            chunks: None,
            seen: 0,
            timer: None,
            until: None,
            rang: false,
            refusal: None,
            status: None,
            ledger,
            peer,
            signal: AtomicU8::new(READING),
        }
    }

    /// The next byte begins a head.
    pub(super) fn begin(&self) {
        if matches!(self.signal.load(Ordering::Relaxed), ADMITTED | CHUNKED) {
            self.signal.store(BEGIN, Ordering::Relaxed);
        }
    }

    /// The head is whole: says how its line was.
    pub(super) fn admit(&self) -> LineVerdict {
        match self.signal.swap(ADMITTED, Ordering::Relaxed) {
            STRICT => LineVerdict::Strict,
            _ => LineVerdict::Lax,
        }
    }

    /// Watches the chunked body of the admitted head, beginning with what came together with it.
    pub(super) fn admit_chunks(&self) -> Result<(), MalformedBody> {
        ChunkScan::default().feed(self.head_end.rest())?;
        self.signal.store(CHUNKED, Ordering::Relaxed);
        Ok(())
    }

    /// Says whether no head is being read.
    pub(super) fn is_admitted(&mut self) -> bool {
        matches!(*self.signal.get_mut(), ADMITTED | CHUNKED)
    }

    /// Looks at bytes of a body.
    pub(super) fn feed_body(&mut self, bytes: &[u8]) -> Result<(), MalformedBody> {
        if *self.signal.get_mut() == CHUNKED {
            let mut scan = ChunkScan::default();
            scan.feed(self.head_end.rest())?;
            self.chunks = Some(scan);
            *self.signal.get_mut() = ADMITTED;
        }
        self.chunks.as_mut().map_or(Ok(()), |scan| scan.feed(bytes))
    }

    /// Looks at bytes of a head.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if *self.signal.get_mut() == BEGIN {
            self.start_over();
        }
        self.seen += bytes.len();
        self.head_end.feed(bytes);
        if *self.signal.get_mut() == READING {
            self.scan = self.scan.feed(bytes);
            if let LineScan::Done(verdict) = self.scan {
                *self.signal.get_mut() = match verdict {
                    LineVerdict::Strict => STRICT,
                    LineVerdict::Lax => LAX,
                };
            }
        }
    }

    fn start_over(&mut self) {
        // Where Pingora and the scan disagree about the end of a body, nobody knows where a request begins.
        let lost = self.chunks.take().is_some_and(|scan| !scan.is_done());
        *self.signal.get_mut() = if lost { LAX } else { READING };
        self.head_end = HeadEnd::default();
        (self.scan, self.seen, self.until, self.rang) = (LineScan::default(), 0, None, false);
        (self.refusal, self.status) = (None, None);
    }

    /// Before more is read: the answer to a head that is refused.
    pub(super) fn refusal(&mut self) -> Option<&mut Refusal> {
        if self.refusal.is_none() && self.seen > MAX_HEAD_SIZE as usize {
            self.refusal = Some(Refusal::new(ProblemKind::HeaderTooLarge));
        }
        self.refusal.as_mut()
    }

    /// While nothing is there to be read: says whether the wait is over. Who sent nothing is told nothing.
    pub(super) fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if *self.signal.get_mut() == BEGIN {
            self.is_idle_too_long(context)
        } else {
            self.is_head_late(context)
        }
    }

    /// A head has its time from its first byte, the first one of a connection from the connection.
    fn is_head_late(&mut self, context: &mut Context<'_>) -> bool {
        let until = *self.until.get_or_insert_with(|| Instant::now() + self.ledger.head);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        let late = timer.as_mut().poll(context).is_ready();
        if late && self.seen > 0 {
            self.refusal = Some(Refusal::new(ProblemKind::RequestTimeout));
        }
        late
    }

    /// Looks at no clock, which at one look per request would be the larger part of the cost: the timer of an
    /// earlier wait may ring first, and only the next ring ends this one.
    fn is_idle_too_long(&mut self, context: &mut Context<'_>) -> bool {
        let idle = self.ledger.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(idle)));
        while timer.as_mut().poll(context).is_ready() {
            if std::mem::replace(&mut self.rang, true) {
                return true;
            }
            timer.as_mut().reset(Instant::now() + idle);
        }
        false
    }

    /// Notes what Pingora answers to a head that the proxy has not seen.
    pub(super) fn answered(&mut self, bytes: &[u8]) {
        if *self.signal.get_mut() != ADMITTED && self.status.is_none() {
            let status = bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            self.status = status;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.seen > 0 && matches!(*self.signal.get_mut(), READING | STRICT | LAX) {
            self.ledger.record(self.refusal.as_ref(), self.status, self.peer);
        }
    }
}

// === impl Ledger ===

impl Ledger {
    /// A head may take [`ProxySettings::head`] from its first byte, the first one of a connection from the connection;
    /// between requests a connection may be quiet for [`ProxySettings::keepalive`], and is closed before twice that time
    /// is over.
    pub(super) fn new(settings: &ProxySettings, listener: &str, metrics: &Metrics) -> Self {
        Self {
            head: settings.head,
            idle: settings.keepalive,
            control_frames: settings.control_frames,
            metrics: metrics.route(""),
            connections: metrics.listener(listener),
            listener: listener.to_owned(),
        }
    }

    /// Counts and logs a request that never reached the proxy.
    fn record(&self, refusal: Option<&Refusal>, answered: Option<u16>, peer: Option<SocketAddr>) {
        let refused = refusal.map(|refusal| refusal.kind);
        let kind = refused.or(match answered {
            Some(405) => Some(ProblemKind::MethodNotAllowed),
            Some(_) => Some(ProblemKind::BadRequest),
            None => None,
        });
        let status = refused.map(status_of).or(answered).unwrap_or(CLIENT_GONE);
        let record = AccessRecord {
            request_id: &refusal.map_or_else(RequestId::new, |refusal| refusal.request_id).to_string(),
            route: "",
            tenant: "",
            caller: "",
            peer,
            listener: &self.listener,
            method: "unread",
            status,
            code: kind.map_or("", ProblemKind::code),
            trace: None,
            duration: Duration::ZERO,
            upstream_duration: None,
            request_bytes: 0,
            response_bytes: 0,
        };
        access_log::record(&self.metrics, &record);
    }
}

// === impl Refusal ===

impl Refusal {
    fn new(kind: ProblemKind) -> Self {
        let request_id = RequestId::new();
        Self { kind, request_id, bytes: last_answer(kind, request_id), written: 0 }
    }

    /// What is still to be written.
    pub(super) fn rest(&self) -> Option<&[u8]> {
        self.bytes.get(self.written..).filter(|rest| !rest.is_empty())
    }

    /// Notes that so many bytes are written.
    pub(super) fn advance(&mut self, written: usize) {
        self.written += written;
    }
}

const BEGIN: u8 = 0;
const READING: u8 = 1;
const STRICT: u8 = 2;
const LAX: u8 = 3;
const ADMITTED: u8 = 4;
/// Admitted, and its body is chunked.
const CHUNKED: u8 = 5;
