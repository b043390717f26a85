//! JSON lines that are written past the subscriber.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::json::{Line, with_line};
use super::sinks::Sinks;

/// Writes a line past the subscriber; false when lines are no JSON.
pub(crate) fn write_line(fill: impl FnOnce(&mut Line<'_>)) -> bool {
    if !ACCESS_LINES.load(Ordering::Relaxed) {
        return true;
    }
    let Some(mut sinks) = LINES.get() else { return false };
    // A log that cannot be written must fail no request.
    with_line(fill, |text| drop(sinks.write_all(text.as_bytes())));
    true
}

/// Where JSON lines go.
pub(super) static LINES: OnceLock<Sinks> = OnceLock::new();
/// Whether each request has its line.
pub(super) static ACCESS_LINES: AtomicBool = AtomicBool::new(true);
