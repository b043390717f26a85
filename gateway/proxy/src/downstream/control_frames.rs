//! A budget for the HTTP/2 frames that a peer sends beside requests and bodies.
//!
//! PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA frames, CONTINUATION and frames of unknown types cost CPU and carry no
//! request. h2 bounds what it keeps in memory, and resets, but not the number of these frames. So each of them is charged to an
//! allowance, and requests and bodies give credit: as in Envoy (`max_inbound_priority_frames_per_stream` and its siblings), a
//! peer with many streams and bodies may send many control frames. The allowance also grows with time, so that a connection
//! that only sends a PING now and then lives as long as it wants.
//!
//! A peer that has used its allowance gets a GOAWAY with ENHANCE_YOUR_CALM. h2 does not know of that frame, so it must not land
//! in the middle of one of h2's: the frames that h2 writes are followed, too.

use tokio::time::Instant;

/// What the peer of one connection may still send.
#[derive(Debug)]
pub(super) struct ControlFrameBudget {
    received: FrameReader,
    sent: FrameReader,
    allowance: u32,
    /// The allowance of a new connection, up to which it grows with time.
    initial: u32,
    refilled: Instant,
}

/// Follows frames in a stream of bytes that is split anywhere.
#[derive(Debug)]
struct FrameReader {
    /// Bytes before the first frame: the preface.
    skip: usize,
    head: [u8; FRAME_HEADER_SIZE],
    /// Bytes of `head` that have come.
    header_filled: usize,
    /// Bytes of the payload that have not come yet.
    payload: usize,
}

/// A frame's header (RFC 9113 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
}

// === impl ControlFrameBudget ===

impl ControlFrameBudget {
    /// Begins with an allowance of `initial` control frames.
    pub(super) fn new(initial: u32) -> Self {
        Self {
            received: FrameReader::after(PREFACE_SIZE),
            sent: FrameReader::after(0),
            allowance: initial,
            initial,
            refilled: Instant::now(),
        }
    }

    /// Charges what the peer sent; returns whether that was within its allowance.
    pub(super) fn receive(&mut self, bytes: &[u8], now: Instant) -> bool {
        // By whole seconds, so that most reads only compare two numbers.
        self.refill(now);
        let most = self.initial.saturating_mul(MAX_CREDIT_FACTOR);
        let (mut allowance, mut is_within) = (self.allowance, true);
        self.received.feed(bytes, |frame| match frame.charge() {
            Charge::Credit(more) => allowance = allowance.saturating_add(more).min(most),
            Charge::Debit => match allowance.checked_sub(1) {
                Some(less) => allowance = less,
                None => is_within = false,
            },
        });
        self.allowance = allowance;
        is_within
    }

    /// Credits what was sent to the peer.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let most = self.initial.saturating_mul(MAX_CREDIT_FACTOR);
        let mut allowance = self.allowance;
        self.sent.feed(bytes, |frame| {
            if frame.kind == DATA && frame.length > 0 {
                allowance = allowance.saturating_add(CREDIT_PER_DATA_SENT).min(most);
            }
        });
        self.allowance = allowance;
    }

    /// Returns whether what was sent ends with a complete frame, so that another one can follow.
    pub(super) fn is_between_frames(&self) -> bool {
        self.sent.is_between_frames()
    }

    /// How many of `bytes` still belong to the frame that is being sent.
    pub(super) fn remaining_in_frame(&self, bytes: &[u8]) -> usize {
        self.sent.remaining_in_frame(bytes)
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.refilled).as_secs();
        if seconds > 0 {
            self.refilled = now;
            if self.allowance < self.initial {
                let more = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(CREDIT_PER_SECOND);
                self.allowance = self.allowance.saturating_add(more).min(self.initial);
            }
        }
    }
}

// === impl FrameReader ===

impl FrameReader {
    fn after(skip: usize) -> Self {
        Self { skip, head: [0; FRAME_HEADER_SIZE], header_filled: 0, payload: 0 }
    }

    fn feed(&mut self, mut bytes: &[u8], mut on_frame: impl FnMut(Frame)) {
        loop {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            let passed = self.payload.min(bytes.len());
            self.payload -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            let Some(missing) = self.head.get_mut(self.header_filled..) else { return };
            let taken = missing.len().min(bytes.len());
            if taken == 0 {
                return;
            }
            for (slot, byte) in missing.iter_mut().zip(bytes) {
                *slot = *byte;
            }
            self.header_filled += taken;
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.header_filled == FRAME_HEADER_SIZE {
                let frame = Frame::read(self.head);
                (self.header_filled, self.payload) = (0, frame.length);
                on_frame(frame);
            }
        }
    }

    fn is_between_frames(&self) -> bool {
        self.skip == 0 && self.header_filled == 0 && self.payload == 0
    }

    fn remaining_in_frame(&self, bytes: &[u8]) -> usize {
        if self.header_filled == 0 {
            return self.payload.min(bytes.len());
        }
        let mut head = self.head;
        let missing = head.get_mut(self.header_filled..).unwrap_or_default();
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
enum Charge {
    Credit(u32),
    Debit,
}

impl Frame {
    fn read([first, second, third, kind, flags, ..]: [u8; FRAME_HEADER_SIZE]) -> Self {
        let length = u32::from_be_bytes([0, first, second, third]);
        Self { length: usize::try_from(length).unwrap_or(usize::MAX), kind, flags }
    }

    fn charge(self) -> Charge {
        // A padded frame has one byte more, its padding length.
        let overhead = usize::from(self.flags & PADDED != 0);
        match self.kind {
            HEADERS => Charge::Credit(CREDIT_PER_STREAM),
            DATA if self.flags & END_STREAM != 0 => Charge::Credit(0),
            DATA if self.length > overhead => Charge::Credit(CREDIT_PER_DATA_RECEIVED),
            _ => Charge::Debit,
        }
    }
}

/// GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 §7). A last stream id of 0 would let clients send requests again that were served, so
/// it is the highest there is (§6.8).
pub(super) const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0xb];

const PREFACE_SIZE: usize = 24;
const FRAME_HEADER_SIZE: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
/// Control frames that may come with a request, as in Envoy.
const CREDIT_PER_STREAM: u32 = 100;
/// Receivers answer DATA with WINDOW_UPDATE for stream and connection, and measure the round trip with PING (gRPC).
const CREDIT_PER_DATA_SENT: u32 = 10;
/// Senders of DATA measure the round trip with PING, too.
const CREDIT_PER_DATA_RECEIVED: u32 = 2;
/// Ten a second cost nothing worth counting, and are more than any keepalive sends.
const CREDIT_PER_SECOND: u32 = 10;
/// Credit stops at so many times the initial allowance.
const MAX_CREDIT_FACTOR: u32 = 10;

#[cfg(test)]
mod tests;
