//! Writes an event as one JSON line, straight into the log's memory.
//!
//! The library's own JSON format goes through three adaptors for each piece of text and a buffer of its own; at
//! one access line per request that was the largest single cost of the gateway.

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

/// `{"timestamp":…,"level":…,"target":…,"message":…,fields…}`, to the writer it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonLines<W>(pub(crate) W);

/// One line while it is put together.
pub(crate) struct Line<'a>(&'a mut String);

/// Lets `fill` write a line, and hands it on in one piece.
pub(crate) fn with_line(fill: impl FnOnce(&mut Line<'_>), write: impl FnOnce(&str)) {
    // A field that logs while it is written finds its outer line's buffer taken, and gets one of its own.
    let mut text = SCRATCH.take();
    text.clear();
    fill(&mut Line(&mut text));
    write(&text);
    SCRATCH.set(text);
}

impl<S: Subscriber, W: for<'a> MakeWriter<'a> + 'static> Layer<S> for JsonLines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let fill = |line: &mut Line<'_>| {
            // Records of the `log` crate, such as Pingora's, carry their own target along.
            let normalized = event.normalized_metadata();
            let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
            line.begin(*metadata.level(), metadata.target());
            event.record(line);
            line.end();
        };
        // A log that cannot be written must fail no request.
        with_line(fill, |text| drop(std::io::Write::write_all(&mut self.0.make_writer(), text.as_bytes())));
    }
}

// === impl Line ===

impl Line<'_> {
    /// Begins with what every line has.
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
        // Writing into a string does not fail.
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

/// Appends the time in RFC 3339 with microseconds. The part down to the second is the same for many lines.
fn push_timestamp(line: &mut String) {
    let read = || std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut now = read();
    SECOND.with_borrow_mut(|(second, text)| {
        while *second != now.as_secs() || text.is_empty() {
            // The library reads the clock itself; the second may pass in between.
            *second = now.as_secs();
            text.clear();
            // Writing into a string does not fail.
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
    /// The second that was written last, and its text.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    /// The line is put together here and handed on in one piece.
    static SCRATCH: RefCell<String> = RefCell::new(String::with_capacity(1024));
}

impl Visit for Line<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        let text = if value.is_finite() { value.to_string() } else { "null".to_owned() };
        self.key(field.name());
        self.0.push_str(&text);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if !is_of_bridge(field) {
            self.number(field.name(), value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if !is_of_bridge(field) {
            self.number(field.name(), value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.key(field.name());
        self.0.push_str(if value { "true" } else { "false" });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if !is_of_bridge(field) {
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
        if !is_of_bridge(field) {
            self.key(field.name());
            self.0.push('"');
            // Writing into a string does not fail.
            let _ = write!(Escaped(self.0), "{value:?}");
            self.0.push('"');
        }
    }
}

/// `log` records come with fields of their own, which the bridge names like this; the line has them already.
fn is_of_bridge(field: &Field) -> bool {
    field.name().starts_with("log.")
}

/// Escapes what passes through.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(text, self.0);
        Ok(())
    }
}

/// Appends `text` as the inside of a JSON string (RFC 8259 §7).
fn escape(text: &str, line: &mut String) {
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
                // Writing into a string does not fail.
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

    /// The one line that was written.
    pub(crate) fn read(memory: &Memory) -> serde_json::Value {
        serde_json::from_slice(&memory.0.lock().unwrap()).unwrap()
    }

    #[test]
    fn every_kind_of_value_is_valid_json() {
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
