//! Writes an event as one JSON line, straight into the line's buffer.
//!
//! The library's own JSON format goes through three adaptors for each piece of text; at one access line per
//! request that was the largest single cost of the gateway.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::time::UNIX_EPOCH;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `{"timestamp":…,"level":…,"target":…,"message":…,fields…}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // A field that logs while it is written finds its outer line's buffer taken, and gets one of its own.
        let mut buffer = SCRATCH.take();
        let text = &mut buffer;
        let written = {
            text.clear();
            // Records of the `log` crate, such as Pingora's, carry their own target along.
            let normalized = event.normalized_metadata();
            let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
            text.push_str("{\"timestamp\":\"");
            push_timestamp(text)?;
            for part in
                ["\",\"level\":\"", metadata.level().as_str(), "\",\"target\":\"", metadata.target(), "\""]
            {
                text.push_str(part);
            }
            event.record(&mut Fields(text));
            text.push_str("}\n");
            line.write_str(text)
        };
        SCRATCH.set(buffer);
        written
    }
}

/// Appends the time in RFC 3339 with microseconds. The part down to the second is the same for many lines.
fn push_timestamp(line: &mut String) -> fmt::Result {
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.as_secs() || text.is_empty() {
            text.clear();
            SystemTime.format_time(&mut Writer::new(text))?;
            text.truncate(SECONDS_LENGTH);
            *second = now.as_secs();
        }
        line.push_str(text);
        let micros = 1_000_000 + now.subsec_micros();
        line.push_str(itoa::Buffer::new().format(micros).get(1..).unwrap_or_default());
        line.push('Z');
        Ok(())
    })
}

/// The length of `2026-11-24T10:09:28.`.
const SECONDS_LENGTH: usize = 20;

thread_local! {
    /// The second that was written last, and its text.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    /// The line is put together here and handed on in one piece.
    static SCRATCH: RefCell<String> = RefCell::new(String::with_capacity(1024));
}

/// Writes fields behind what is there already.
struct Fields<'a>(&'a mut String);

// === impl Fields ===

impl Fields<'_> {
    /// Writes the key; false for a field that is not written.
    fn key(&mut self, field: &Field) -> bool {
        // `log` records come with fields of their own, which the bridge names like this.
        if field.name().starts_with("log.") {
            return false;
        }
        for part in [",\"", field.name(), "\":"] {
            self.0.push_str(part);
        }
        true
    }

    fn raw(&mut self, field: &Field, value: &str) {
        if self.key(field) {
            self.0.push_str(value);
        }
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.key(field) {
            self.0.push('"');
            // Writing into a string does not fail.
            let _ = Escaped(self.0).write_fmt(value);
            self.0.push('"');
        }
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        let text = if value.is_finite() { value.to_string() } else { "null".to_owned() };
        self.raw(field, &text);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.raw(field, itoa::Buffer::new().format(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.raw(field, itoa::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.raw(field, if value { "true" } else { "false" });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.key(field) {
            self.0.push('"');
            escape(value, self.0);
            self.0.push('"');
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
        self.record_str(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
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
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

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

    #[test]
    fn every_kind_of_value_is_valid_json() {
        let memory = Memory::default();
        let layer = tracing_subscriber::fmt::layer().event_format(JsonLine).with_writer(memory.clone());
        let error = io::Error::other("a \"quoted\"\nline");

        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let text = "\u{1}\\é\"";
            tracing::info!(text, whole = 7_u64, minus = -7, part = 1.5, yes = true, none = None::<u64>, %error, "said");
        });

        let line = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
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
