//! Reads the trailer section of a chunked body strictly (RFC 9112 §7.1.2).
//!
//! Pingora drops trailers, so nothing here uses them. Malformed trailers, and fields that must not be trailers, are refused all the
//! same: a proxy in front of the gateway may merge them into the head.

use super::lookalikes::is_framing_lookalike;
use super::violation::MalformedBody;

/// The position in a trailer section.
#[derive(Clone, Debug, Default)]
pub(super) struct Trailers {
    state: State,
    bytes: u16,
    name: Vec<u8>,
}

/// What is read next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The first byte of a line.
    #[default]
    Line,
    /// A name.
    Name,
    /// A value.
    Value,
    /// The line feed of a field.
    LineFeed,
    /// The line feed of the empty line.
    LastFeed,
}

// === impl Trailers ===

impl Trailers {
    /// Reads one byte; returns whether it was the last one of the section.
    ///
    /// # Errors
    ///
    /// [`MalformedBody::Trailer`] and [`MalformedBody::TrailersTooLarge`].
    pub(super) fn step(&mut self, byte: u8) -> Result<bool, MalformedBody> {
        self.bytes += 1;
        if self.bytes > MAX_BYTES {
            return Err(MalformedBody::TrailersTooLarge);
        }
        self.state = match (self.state, byte) {
            (State::Line, b'\r') => State::LastFeed,
            (State::LastFeed, b'\n') => return Ok(true),
            (State::Line | State::Name, _) if is_token(byte) => {
                if self.state == State::Line {
                    self.name.clear();
                }
                self.name.push(byte.to_ascii_lowercase());
                State::Name
            }
            (State::Name, b':') if !is_forbidden(&self.name) => State::Value,
            (State::Value, b'\r') => State::LineFeed,
            (State::Value, b'\t' | 0x20..=0x7e | 0x80..) => State::Value,
            (State::LineFeed, b'\n') => State::Line,
            (_, _) => return Err(MalformedBody::Trailer),
        };
        Ok(false)
    }
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Fields that frame, route, authenticate, condition or describe the content must be known before it (RFC 9110 §6.5.1).
fn is_forbidden(name: &[u8]) -> bool {
    FORBIDDEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
        || FORBIDDEN.iter().any(|forbidden| name == forbidden.as_bytes())
        || is_framing_lookalike(name)
}

/// As large as Pingora lets a partial chunk line be.
const MAX_BYTES: u16 = 8 * 1024;
const FORBIDDEN_PREFIXES: [&str; 4] = ["if-", "proxy-", "x-forwarded-", "x-http-method"];
const FORBIDDEN: [&str; 32] = [
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "retry-after",
    "set-cookie",
    "subscriptionid",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "warning",
    "www-authenticate",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the length of the section, if it ends.
    fn read(bytes: &[u8]) -> Result<Option<usize>, MalformedBody> {
        let mut trailers = Trailers::default();
        for (at, byte) in bytes.iter().enumerate() {
            if trailers.step(*byte)? {
                return Ok(Some(at + 1));
            }
        }
        Ok(None)
    }

    #[test]
    fn trailer_section_ends_at_its_empty_line() {
        let rows: [(&[u8], Option<usize>); 7] = [
            (b"\r\nGET", Some(2)),
            (b"X-A: b\r\n\r\nGET", Some(10)),
            (b"X-A:\r\nb:\xff\tc\r\n\r\n", Some(15)),
            (b"", None),
            (b"\r", None),
            (b"X-A: b\r\n", None),
            (b"X-A: b\r\n\r", None),
        ];

        for (bytes, end) in rows {
            assert_eq!(read(bytes), Ok(end), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn lines_that_are_not_fields_are_refused() {
        let rows: [&[u8]; 12] = [
            b"no colon\r\n\r\n",
            b"nocolon\r\n\r\n",
            b": a\r\n\r\n",
            b"X : a\r\n\r\n",
            b" folded\r\n\r\n",
            b"X: a\r\n folded\r\n\r\n",
            b"X: a\nY: b\r\n\r\n",
            b"X: a\rY: b\r\n\r\n",
            b"X: a\0\r\n\r\n",
            b"X\0: a\r\n\r\n",
            b"\n\r\n",
            b"\rX\r\n",
        ];

        for bytes in rows {
            assert_eq!(read(bytes), Err(MalformedBody::Trailer), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn fields_that_must_precede_the_content_are_refused_as_trailers() {
        let others = ["If-Match", "PROXY-Authorization", "Transfer_Encoding", "X-Forwarded-For"];
        for name in FORBIDDEN.iter().chain(&others) {
            assert!(read(format!("{name}: a\r\n\r\n").as_bytes()).is_err(), "{name}");
        }
        for name in ["X-Checksum", "Digest", "Server-Timing", "ETag", "Iffy"] {
            assert!(read(format!("{name}: a\r\n\r\n").as_bytes()).is_ok(), "{name}");
        }
    }

    #[test]
    fn trailer_section_has_a_size_limit() {
        let value = format!("X: {}", "a".repeat(usize::from(MAX_BYTES)));

        assert_eq!(read(value.as_bytes()), Err(MalformedBody::TrailersTooLarge));
    }
}
