//! A budget for HTTP/2 control frames: all frames that a peer sends besides requests and bodies.
//!
//! PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA frames, CONTINUATION and frames of unknown types cost CPU and carry no
//! request. h2 limits its memory and the number of resets, but not the number of these frames. So each of them is charged to an
//! allowance, and requests and bodies give credit: as in Envoy (`max_inbound_priority_frames_per_stream` and related options), a
//! peer with many streams and bodies may send many control frames. The allowance also grows with time, so that a connection that
//! sends an occasional PING is never closed.
//!
//! The gateway ends the connection of a peer that has used its allowance, with a GOAWAY (ENHANCE_YOUR_CALM). h2 does not write that
//! frame, so it must not be inserted inside a frame of h2: the budget also follows the frames that h2 writes.

use tokio::time::Instant;

/// The allowance of the peer of one connection.
#[derive(Debug)]
pub(super) struct ControlFrameBudget {
    received: FrameReader,
    sent: FrameReader,
    allowance: u32,
    /// The allowance of a new connection, up to which it grows with time.
    initial: u32,
    refilled: Instant,
}

/// Finds the frames in a byte stream, regardless of how it is split.
#[derive(Debug)]
struct FrameReader {
    /// Bytes before the first frame: the preface.
    skip: usize,
    head: [u8; FRAME_HEADER_SIZE],
    /// How many bytes of `head` have arrived.
    header_filled: usize,
    /// How many bytes of the payload have not arrived yet.
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
    /// Creates a budget with an allowance of `initial` control frames.
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
        // In steps of one second, so that most reads only compare two numbers.
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

    /// Returns how many of `bytes` belong to the frame that is being sent.
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

/// The effect of a frame on the allowance.
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
/// Ten frames per second cost little CPU, and are more than keepalives send.
const CREDIT_PER_SECOND: u32 = 10;
/// The allowance never exceeds this multiple of the initial one.
const MAX_CREDIT_FACTOR: u32 = 10;

#[cfg(test)]
mod tests;
