//! Limits the size and the rate of a request body that is forwarded while it arrives.
//!
//! With a read timeout alone, a caller could hold an exchange with one byte every few seconds (slow POST). An average rate would
//! refuse short delays, and would let a body trickle after a fast start. So each byte extends the deadline, up to one read timeout.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use kyc_model::ProblemKind;
use pingora::Result;

use super::body_limit::too_large;
use crate::error::refuse;
use crate::settings::ProxySettings;

/// The size and the deadline of a request body that is forwarded while it arrives.
#[derive(Debug, Default)]
pub(crate) struct BodyRateLimit {
    /// The deadline of the next piece.
    fast_enough_until: Option<Instant>,
    bytes: u64,
    is_complete: bool,
}

// === impl BodyRateLimit ===

impl BodyRateLimit {
    /// Starts the limit; `is_complete`: the request has no body.
    pub(crate) fn new(is_complete: bool) -> Self {
        Self { is_complete, ..Self::default() }
    }

    /// Records whether the last byte has arrived.
    pub(crate) fn end(&mut self, is_end: bool) {
        self.is_complete |= is_end;
    }

    /// Returns whether the body is complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Returns the number of bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts a piece. The read timeout limits a caller that sends nothing at all.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::BodyTooLarge`] above `limit`, [`ProblemKind::RequestTimeout`] where pieces come slower than
    /// [`ProxySettings::min_rate`] for longer than one read may take.
    pub(crate) fn receive(
        &mut self,
        piece: usize,
        limit: Option<u64>,
        settings: &ProxySettings,
    ) -> Result<()> {
        let piece = u64::try_from(piece).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(piece);
        if let Some(limit) = limit.filter(|limit| self.bytes > *limit) {
            return Err(too_large(limit));
        }
        if self.is_too_slow(piece, Instant::now(), settings) {
            return Err(refuse(ProblemKind::RequestTimeout, "the body arrives too slowly"));
        }
        Ok(())
    }

    /// Extends the deadline by the time of the piece at the minimum rate, up to one read timeout ahead; returns whether the piece was
    /// late.
    fn is_too_slow(&mut self, piece: u64, now: Instant, settings: &ProxySettings) -> bool {
        let Some(rate) = NonZeroU64::new(settings.min_rate) else { return false };
        let longest = now + settings.read;
        let bought = Duration::from_secs_f64(piece as f64 / rate.get() as f64);
        let until = self.fast_enough_until.map_or(longest, |until| longest.min(until + bought));
        self.fast_enough_until = Some(until);
        until < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(min_rate: u64) -> ProxySettings {
        let long = Duration::from_secs(30);
        ProxySettings {
            keepalive: long,
            head: long,
            read: long,
            write: long,
            body: long,
            body_min_rate: 0,
            body_grace: long,
            control_frames: 1000,
            min_rate,
            buffered_bodies: 0,
            buffered_bodies_per_source: None,
            buffered_bodies_per_tenant: None,
            forwarded: None,
            private_headers: Vec::new(),
        }
    }

    #[test]
    fn trickled_body_is_refused_and_a_body_with_pauses_is_not() {
        let settings = settings(500);
        // The size of the first piece, the size and the interval of the next ones, and the time at which they are too slow.
        let rows = [
            (1, 1, 1, Some(31)),
            (16 << 20, 1, 1, Some(31)),
            (1, 250, 1, Some(61)),
            (1, 500, 1, None),
            (1, 14_500, 29, None),
            (1, 14_000, 29, Some(899)),
            (1, 65_536, 120, None),
        ];

        for (first, bytes, every, expected) in rows {
            let (mut body, begun) = (BodyRateLimit::default(), Instant::now());
            assert!(!body.is_too_slow(first, begun, &settings));
            let mut times = (1..1000).map(|turn| turn * every);
            let late = times
                .find(|seconds| body.is_too_slow(bytes, begun + Duration::from_secs(*seconds), &settings));
            assert_eq!(late, expected, "{first} bytes, then {bytes} every {every} s");
        }
    }

    #[test]
    fn size_limit_counts_all_pieces() {
        let mut body = BodyRateLimit::default();

        let within = body.receive(600, Some(1000), &settings(0));
        let above = body.receive(401, Some(1000), &settings(0));

        assert!(within.is_ok());
        assert_eq!(crate::error::classify(&above.unwrap_err()).unwrap().0, ProblemKind::BodyTooLarge);
    }
}
