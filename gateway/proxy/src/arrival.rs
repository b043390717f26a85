//! How a request body that goes on as it comes may arrive: how large, and how fast.

use std::time::{Duration, Instant};

use http::{HeaderMap, header};
use kyc_model::{Problem, ProblemKind};
use kyc_plugin_api::BodyWish;
use pingora::Result;

use crate::rescue::{refuse, to_pingora};
use crate::settings::ProxySettings;

/// A body on its way.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    began: Option<Instant>,
    bytes: u64,
    is_whole: bool,
}

/// Refuses a body that announces itself as larger than `limit`.
///
/// # Errors
///
/// [`ProblemKind::BodyTooLarge`].
pub(crate) fn check_announced(fields: &HeaderMap, limit: Option<u64>) -> Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let announced = fields.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > limit) { Err(too_large(limit)) } else { Ok(()) }
}

/// The smaller of both limits.
pub(crate) fn within(mut wish: BodyWish, limit: Option<u64>) -> BodyWish {
    if let Some(limit) = limit {
        wish.limit = wish.limit.min(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    wish
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

    /// Counts a piece. Whoever sends no byte for a while is the read timeout's business.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::BodyTooLarge`] above `limit`, [`ProblemKind::RequestTimeout`] where the whole so far came slower
    /// than [`ProxySettings::min_rate`], once it took longer than one read may.
    pub(crate) fn add(&mut self, piece: usize, limit: Option<u64>, settings: &ProxySettings) -> Result<()> {
        let took = self.began.get_or_insert_with(Instant::now).elapsed();
        self.bytes = self.bytes.saturating_add(u64::try_from(piece).unwrap_or(u64::MAX));
        if let Some(limit) = limit.filter(|limit| self.bytes > *limit) {
            return Err(too_large(limit));
        }
        if is_too_slow(self.bytes, took, settings) {
            return Err(refuse(ProblemKind::RequestTimeout, "the body came too slowly"));
        }
        Ok(())
    }
}

fn is_too_slow(bytes: u64, took: Duration, settings: &ProxySettings) -> bool {
    took > settings.read && bytes < settings.min_rate.saturating_mul(took.as_secs())
}

fn too_large(limit: u64) -> Box<pingora::Error> {
    to_pingora(Problem::new(ProblemKind::BodyTooLarge, format!("the body is over {limit} bytes")))
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
            min_rate,
            buffered_bodies: 0,
        }
    }

    #[test]
    fn a_trickle_is_told_from_a_slow_line() {
        let settings = settings(500);
        let rows =
            [(1, 30, false), (1, 31, true), (15_499, 31, true), (15_500, 31, false), (100_000, 300, true)];

        for (bytes, seconds, slow) in rows {
            let found = is_too_slow(bytes, Duration::from_secs(seconds), &settings);
            assert_eq!(found, slow, "{bytes} bytes in {seconds} s");
        }
    }

    #[test]
    fn size_counts_over_all_pieces() {
        let mut arrival = Arrival::default();

        let within = arrival.add(600, Some(1000), &settings(0));
        let above = arrival.add(401, Some(1000), &settings(0));

        assert!(within.is_ok());
        assert_eq!(crate::rescue::diagnose(&above.unwrap_err()).unwrap().0, ProblemKind::BodyTooLarge);
    }
}
