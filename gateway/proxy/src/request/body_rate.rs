//! How a request body that goes on as it comes may arrive: how large, and how fast.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use kyc_model::ProblemKind;
use pingora::Result;

use super::body_limit::too_large;
use crate::error::refuse;
use crate::settings::ProxySettings;

/// A body on its way.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// Until when what came so far is fast enough.
    enough_until: Option<Instant>,
    bytes: u64,
    is_whole: bool,
}

// === impl Arrival ===

impl Arrival {
    /// Begins; `is_whole` where nothing is to come.
    pub(crate) fn new(is_whole: bool) -> Self {
        Self { is_whole, ..Self::default() }
    }

    /// Notes the end.
    pub(crate) fn end(&mut self, is_end: bool) {
        self.is_whole |= is_end;
    }

    /// Says whether nothing is to come any more.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// How many bytes came.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts a piece. Whoever sends no byte for a while is the read timeout's business.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::BodyTooLarge`] above `limit`, [`ProblemKind::RequestTimeout`] where pieces come slower than
    /// [`ProxySettings::min_rate`] for longer than one read may take.
    pub(crate) fn add(&mut self, piece: usize, limit: Option<u64>, settings: &ProxySettings) -> Result<()> {
        let piece = u64::try_from(piece).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(piece);
        if let Some(limit) = limit.filter(|limit| self.bytes > *limit) {
            return Err(too_large(limit));
        }
        if self.is_too_slow(piece, Instant::now(), settings) {
            return Err(refuse(ProblemKind::RequestTimeout, "the body came too slowly"));
        }
        Ok(())
    }

    /// Each byte is worth some time, but nobody has more of it than one read may take: a body that came fast before
    /// may not trickle afterwards.
    fn is_too_slow(&mut self, piece: u64, now: Instant, settings: &ProxySettings) -> bool {
        let Some(rate) = NonZeroU64::new(settings.min_rate) else { return false };
        let most = now + settings.read;
        let worth = Duration::from_secs_f64(piece as f64 / rate.get() as f64);
        let until = self.enough_until.map_or(most, |until| most.min(until + worth));
        self.enough_until = Some(until);
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
        }
    }

    #[test]
    fn a_trickle_is_told_from_a_slow_line() {
        let settings = settings(500);
        // The first piece, then one of so many bytes every so many seconds: when is it too slow?
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
            let (mut arrival, begun) = (Arrival::default(), Instant::now());
            assert!(!arrival.is_too_slow(first, begun, &settings));
            let mut times = (1..1000).map(|turn| turn * every);
            let late = times
                .find(|seconds| arrival.is_too_slow(bytes, begun + Duration::from_secs(*seconds), &settings));
            assert_eq!(late, expected, "{first} bytes, then {bytes} every {every} s");
        }
    }

    #[test]
    fn size_counts_over_all_pieces() {
        let mut arrival = Arrival::default();

        let within = arrival.add(600, Some(1000), &settings(0));
        let above = arrival.add(401, Some(1000), &settings(0));

        assert!(within.is_ok());
        assert_eq!(crate::error::diagnose(&above.unwrap_err()).unwrap().0, ProblemKind::BodyTooLarge);
    }
}
