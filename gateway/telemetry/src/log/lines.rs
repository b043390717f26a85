//! Writes JSON lines without the `tracing` subscriber.
//!
//! Every request writes an access line. Dispatching it through the subscriber as an event costs more than writing it.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::json::{Line, with_line};
use super::sinks::Sinks;

/// Writes a line directly to the sinks. Returns false when the log's format is text: the caller must then log an event.
pub(crate) fn write_line(fill: impl FnOnce(&mut Line<'_>)) -> bool {
    if !ACCESS_LINES.load(Ordering::Relaxed) {
        return true;
    }
    let Some(mut sinks) = JSON_SINKS.get() else { return false };
    // A log that cannot be written must not fail the request.
    with_line(fill, |text| drop(sinks.write_all(text.as_bytes())));
    true
}

/// The sinks of JSON lines; empty while the format is text.
pub(super) static JSON_SINKS: OnceLock<Sinks> = OnceLock::new();
/// Whether access lines are written.
pub(super) static ACCESS_LINES: AtomicBool = AtomicBool::new(true);
