//! Formats an event as one JSON line.
//!
//! The JSON format of `tracing-subscriber` passes each piece of text through three adaptors and an extra buffer. With one access
//! line per request, that was the largest single cost of the gateway; this module writes directly into one buffer per thread.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::time::UNIX_EPOCH;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;

/// A layer that writes each event to its writer as `{"timestamp":…,"level":…,"target":…,"message":…,fields…}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonLines<W>(pub(crate) W);

/// A line that is being built.
pub(crate) struct Line<'a>(&'a mut String);

/// Builds a line with `fill` and passes the complete line to `write`.
pub(crate) fn with_line(fill: impl FnOnce(&mut Line<'_>), write: impl FnOnce(&str)) {
    // `take` leaves an empty string: a field whose `Display` logs a line itself gets a buffer of its own.
    let mut text = SCRATCH.take();
    text.clear();
    fill(&mut Line(&mut text));
    write(&text);
    SCRATCH.set(text);
}

impl<S: Subscriber, W: for<'a> MakeWriter<'a> + 'static> Layer<S> for JsonLines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let fill = |line: &mut Line<'_>| {
            // Events that come from the `log` crate, such as Pingora's, have their target in a field.
            let normalized = event.normalized_metadata();
            let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
            line.begin(*metadata.level(), metadata.target());
            event.record(line);
            line.end();
        };
        // A log that cannot be written must not fail the request.
        with_line(fill, |text| drop(std::io::Write::write_all(&mut self.0.make_writer(), text.as_bytes())));
    }
}

// === impl Line ===

impl Line<'_> {
    /// Writes the fields that every line has.
    pub(crate) fn begin(&mut self, level: Level, target: &str) {
        self.0.push_str("{\"timestamp\":\"");
        push_timestamp(self.0);
        for part in ["\",\"level\":\"", level.as_str(), "\",\"target\":\"", target, "\""] {
            self.0.push_str(part);
        }
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        self.0.push('"');
        escape(value, self.0);
        self.0.push('"');
    }

    pub(crate) fn display(&mut self, name: &str, value: &dyn fmt::Display) {
        self.key(name);
        self.0.push('"');
        // Writing to a `String` does not fail.
        let _ = write!(Escaped(self.0), "{value}");
        self.0.push('"');
    }

    pub(crate) fn number(&mut self, name: &str, value: impl itoa::Integer) {
        self.key(name);
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    pub(crate) fn end(&mut self) {
        self.0.push_str("}\n");
    }

    fn key(&mut self, name: &str) {
        for part in [",\"", name, "\":"] {
            self.0.push_str(part);
        }
    }
}

/// Appends the time in RFC 3339 with microseconds. The text up to the second is cached, because many lines share it.
fn push_timestamp(line: &mut String) {
    let read = || std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut now = read();
    SECOND.with_borrow_mut(|(second, text)| {
        while *second != now.as_secs() || text.is_empty() {
            // `format_time` reads the clock again, so the second can change in between; then format once more.
            *second = now.as_secs();
            text.clear();
            // Writing to a `String` does not fail.
            let _ = SystemTime.format_time(&mut Writer::new(text));
            text.truncate(SECONDS_LENGTH);
            now = read();
        }
        line.push_str(text);
        let micros = 1_000_000 + now.subsec_micros();
        line.push_str(itoa::Buffer::new().format(micros).get(1..).unwrap_or_default());
        line.push('Z');
    });
}

/// The length of `2026-11-24T10:09:28.`.
const SECONDS_LENGTH: usize = 20;

thread_local! {
    /// The last formatted second, and its text.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    /// The buffer in which lines are built.
    static SCRATCH: RefCell<String> = RefCell::new(String::with_capacity(1024));
}

impl Visit for Line<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity and no NaN (RFC 8259 §6).
        let text = if value.is_finite() { value.to_string() } else { "null".to_owned() };
        self.key(field.name());
        self.0.push_str(&text);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if !is_log_bridge_field(field) {
            self.number(field.name(), value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if !is_log_bridge_field(field) {
            self.number(field.name(), value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.key(field.name());
        self.0.push_str(if value { "true" } else { "false" });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if !is_log_bridge_field(field) {
            self.text(field.name(), value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.text(field.name(), &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !is_log_bridge_field(field) {
            self.key(field.name());
            self.0.push('"');
            // Writing to a `String` does not fail.
            let _ = write!(Escaped(self.0), "{value:?}");
            self.0.push('"');
        }
    }
}

/// Whether `tracing-log` added this field to a record of the `log` crate. The line has its value already, as `target`.
fn is_log_bridge_field(field: &Field) -> bool {
    field.name().starts_with("log.")
}

/// Escapes the text that is written to it.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(text, self.0);
        Ok(())
    }
}

/// Appends `text` as the content of a JSON string (RFC 8259 §7).
fn escape(text: &str, line: &mut String) {
    // Most texts need no escape. A fold without an early exit looks at all bytes, which the compiler can vectorise.
    if !text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        line.push_str(text);
        return;
    }
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            control if u32::from(control) < 0x20 => {
                // Writing to a `String` does not fail.
                let _ = write!(line, "\\u{:04x}", u32::from(control));
            }
            other => line.push(other),
        }
    }
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    pub(crate) struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Memory {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// Parses the one line in `memory`.
    pub(crate) fn read(memory: &Memory) -> serde_json::Value {
        serde_json::from_slice(&memory.0.lock().unwrap()).unwrap()
    }

    #[test]
    fn values_of_every_type_are_written_as_valid_json() {
        let memory = Memory::default();
        let layer = JsonLines(memory.clone());
        let error = io::Error::other("a \"quoted\"\nline");

        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let text = "\u{1}\\é\"";
            tracing::info!(text, whole = 7_u64, minus = -7, part = 1.5, yes = true, none = None::<u64>, %error, "said");
        });

        let parsed = read(&memory);
        assert_eq!((parsed["level"].as_str(), parsed["message"].as_str()), (Some("INFO"), Some("said")));
        assert_eq!(parsed["text"], "\u{1}\\é\"");
        assert_eq!(
            (&parsed["whole"], &parsed["minus"], &parsed["part"]),
            (&7.into(), &(-7).into(), &1.5.into())
        );
        assert_eq!((&parsed["yes"], parsed.get("none")), (&true.into(), None));
        assert_eq!(parsed["error"], "a \"quoted\"\nline");
    }
}
