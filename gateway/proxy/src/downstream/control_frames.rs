//! A budget for what an HTTP/2 peer sends beside requests and bodies.
//!
//! PING, SETTINGS, PRIORITY and WINDOW_UPDATE cost a core's time and bring no request; neither do empty DATA frames,
//! CONTINUATION and frames of unknown kinds. h2 bounds what waits in memory, and resets, but not these. So each of them
//! costs one of an allowance, and real work earns some back: as in Envoy (`max_inbound_priority_frames_per_stream` and
//! its siblings), a peer may send many control frames when it has many streams and bodies. An allowance also grows with
//! time, so that a connection that only says PING now and then lives for ever.
//!
//! Whoever has used it all gets a GOAWAY with ENHANCE_YOUR_CALM. h2 knows nothing of it, so the frame must not get into
//! the middle of one of h2's: what h2 writes is followed to the end of its frames, too.

use tokio::time::Instant;

/// Counts the frames of one connection.
#[derive(Debug)]
pub(super) struct Budget {
    arriving: Reader,
    leaving: Reader,
    allowance: u32,
    /// What a new connection has, and what time fills up to.
    first: u32,
    refilled: Instant,
}

/// Follows frames in a stream of bytes that is split anywhere.
#[derive(Debug)]
struct Reader {
    /// Bytes that belong to no frame: the preface.
    skip: usize,
    head: [u8; HEAD],
    /// Bytes of `head` that are there.
    seen: usize,
    /// Bytes that are still missing of the payload.
    payload: usize,
}

/// A frame's head (RFC 9113, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
}

// === impl Budget ===

impl Budget {
    /// A new connection may send `first` control frames before any work.
    pub(super) fn new(first: u32) -> Self {
        Self {
            arriving: Reader::after(PREFACE),
            leaving: Reader::after(0),
            allowance: first,
            first,
            refilled: Instant::now(),
        }
    }

    /// Looks at what the peer sent; says whether that was within its allowance.
    pub(super) fn arrived(&mut self, bytes: &[u8], now: Instant) -> bool {
        self.refill(now);
        let most = self.first.saturating_mul(BANKED);
        let (mut allowance, mut is_within) = (self.allowance, true);
        self.arriving.feed(bytes, |frame| match frame.worth() {
            Worth::Earns(more) => allowance = allowance.saturating_add(more).min(most),
            Worth::Costs => match allowance.checked_sub(1) {
                Some(less) => allowance = less,
                None => is_within = false,
            },
        });
        self.allowance = allowance;
        is_within
    }

    /// Looks at what was written to the peer.
    pub(super) fn left(&mut self, bytes: &[u8]) {
        let most = self.first.saturating_mul(BANKED);
        let mut allowance = self.allowance;
        self.leaving.feed(bytes, |frame| {
            if frame.kind == DATA && frame.length > 0 {
                allowance = allowance.saturating_add(FOR_DATA_SENT).min(most);
            }
        });
        self.allowance = allowance;
    }

    /// Says whether what was written ends with a whole frame, so that another one can follow.
    pub(super) fn is_between_frames(&self) -> bool {
        self.leaving.is_between_frames()
    }

    /// How much of `bytes` still belongs to the frame that was begun.
    pub(super) fn rest_of_frame(&self, bytes: &[u8]) -> usize {
        self.leaving.rest_of_frame(bytes)
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.refilled).as_secs();
        if seconds > 0 {
            self.refilled = now;
            if self.allowance < self.first {
                let more = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(A_SECOND);
                self.allowance = self.allowance.saturating_add(more).min(self.first);
            }
        }
    }
}

// === impl Reader ===

impl Reader {
    fn after(skip: usize) -> Self {
        Self { skip, head: [0; HEAD], seen: 0, payload: 0 }
    }

    fn feed(&mut self, mut bytes: &[u8], mut see: impl FnMut(Frame)) {
        loop {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            let passed = self.payload.min(bytes.len());
            self.payload -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            let Some(missing) = self.head.get_mut(self.seen..) else { return };
            let taken = missing.len().min(bytes.len());
            if taken == 0 {
                return;
            }
            for (slot, byte) in missing.iter_mut().zip(bytes) {
                *slot = *byte;
            }
            self.seen += taken;
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.seen == HEAD {
                let frame = Frame::read(self.head);
                (self.seen, self.payload) = (0, frame.length);
                see(frame);
            }
        }
    }

    fn is_between_frames(&self) -> bool {
        self.skip == 0 && self.seen == 0 && self.payload == 0
    }

    fn rest_of_frame(&self, bytes: &[u8]) -> usize {
        if self.seen == 0 {
            return self.payload.min(bytes.len());
        }
        let mut head = self.head;
        let missing = head.get_mut(self.seen..).unwrap_or_default();
        if missing.len() > bytes.len() {
            return bytes.len();
        }
        let count = missing.len();
        for (slot, byte) in missing.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        (count + Frame::read(head).length).min(bytes.len())
    }
}

// === impl Frame ===

/// What a frame of the peer does to its allowance.
enum Worth {
    Earns(u32),
    Costs,
}

impl Frame {
    fn read([first, second, third, kind, flags, ..]: [u8; HEAD]) -> Self {
        let length = u32::from_be_bytes([0, first, second, third]);
        Self { length: usize::try_from(length).unwrap_or(usize::MAX), kind, flags }
    }

    fn worth(self) -> Worth {
        // One byte more says how much of it is padding.
        let overhead = usize::from(self.flags & PADDED != 0);
        match self.kind {
            HEADERS => Worth::Earns(FOR_STREAM),
            DATA if self.flags & END_STREAM != 0 => Worth::Earns(0),
            DATA if self.length > overhead => Worth::Earns(FOR_DATA),
            _ => Worth::Costs,
        }
    }
}

/// The connection error for it (RFC 9113, section 7): a GOAWAY that names no stream as the last one would let clients try
/// again requests that were done, so it names the highest number there is (section 6.8).
pub(super) const CALM: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0xb];

const PREFACE: usize = 24;
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
/// A request may bring as many control frames with it, as in Envoy.
const FOR_STREAM: u32 = 100;
/// Receivers answer DATA with WINDOW_UPDATE for stream and connection, and measure the way with PING (gRPC).
const FOR_DATA_SENT: u32 = 10;
/// Senders of DATA measure the way with PING, too.
const FOR_DATA: u32 = 2;
/// Ten a second are nothing, and more than any keepalive.
const A_SECOND: u32 = 10;
/// How many times the first allowance work can earn.
const BANKED: u32 = 10;

#[cfg(test)]
mod tests;
