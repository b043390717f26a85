//! Parses the request line strictly from the bytes as they arrive, because Pingora escapes illegal bytes before it passes the line
//! on.

use memchr::{memchr, memrchr};

/// Reads a request line byte by byte (RFC 9112 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LineScan {
    /// Nothing but empty lines so far, which RFC 9112 §2.2 asks to skip.
    #[default]
    Start,
    /// In the method.
    Method,
    /// In the target.
    Target,
    /// In the version.
    Version,
    /// After the carriage return.
    LineFeed,
    /// The line is over.
    Done(LineVerdict),
}

/// Whether a request line follows the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineVerdict {
    /// According to the grammar.
    Strict,
    /// With bytes or spaces that the grammar does not allow.
    Lenient,
}

// === impl LineScan ===

impl LineScan {
    /// Reads on; bytes after the line are ignored.
    pub(crate) fn feed(mut self, bytes: &[u8]) -> Self {
        if self == Self::Start
            && let Some(end) = memchr(b'\n', bytes)
            && bytes.get(..end).is_some_and(is_plain)
        {
            return Self::Done(LineVerdict::Strict);
        }
        for &byte in bytes {
            if matches!(self, Self::Done(_)) {
                break;
            }
            self = self.step(byte);
        }
        self
    }

    fn step(self, byte: u8) -> Self {
        const LENIENT: LineScan = LineScan::Done(LineVerdict::Lenient);
        match self {
            Self::Start => match byte {
                b'\r' | b'\n' => Self::Start,
                b'A'..=b'Z' | b'a'..=b'z' => Self::Method,
                _ => LENIENT,
            },
            Self::Method => match byte {
                b' ' => Self::Target,
                b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'0'..=b'9' => Self::Method,
                _ => LENIENT,
            },
            Self::Target => match byte {
                b' ' => Self::Version,
                // A `#` begins a fragment, which Pingora removes before the proxy can check it.
                0x21 | 0x22 | 0x24..=0x7e => Self::Target,
                _ => LENIENT,
            },
            Self::Version => match byte {
                b'\r' => Self::LineFeed,
                b'H' | b'T' | b'P' | b'/' | b'.' | b'0'..=b'9' => Self::Version,
                _ => LENIENT,
            },
            Self::LineFeed => match byte {
                b'\n' => Self::Done(LineVerdict::Strict),
                _ => LENIENT,
            },
            Self::Done(verdict) => Self::Done(verdict),
        }
    }
}

/// Recognises a whole strict line at once, as nearly every line is; others are read byte by byte.
fn is_plain(line: &[u8]) -> bool {
    let (Some(first), Some(last)) = (memchr(b' ', line), memrchr(b' ', line)) else { return false };
    let parts = (line.get(..first), line.get(first + 1..last), line.get(last + 1..));
    let (Some(method), Some(target), Some(version)) = parts else { return false };
    let visible = target.iter().fold(true, |all, byte| all & (0x21..=0x7e).contains(byte) & (*byte != b'#'));
    visible
        && !target.is_empty()
        && !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && matches!(version, b"HTTP/1.1\r" | b"HTTP/1.0\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_grammar_are_strict() {
        let lines: [(&[u8], LineVerdict); 9] = [
            (b"GET /a?b=c HTTP/1.1\r\n", LineVerdict::Strict),
            (b"\r\nPOST /a HTTP/1.0\r\nHost: x", LineVerdict::Strict),
            (b"GET /a b HTTP/1.1\r\n", LineVerdict::Lenient),
            (b"GET  /a HTTP/1.1\r\n", LineVerdict::Lenient),
            (b"GET /a#b HTTP/1.1\r\n", LineVerdict::Lenient),
            (b"GET /a\0 HTTP/1.1\r\n", LineVerdict::Lenient),
            (b"GET /a\x7f HTTP/1.1\r\n", LineVerdict::Lenient),
            (b"GET /\xc3\xa9 HTTP/1.1\r\n", LineVerdict::Lenient),
            (b"GET /a HTTP/1.1\n", LineVerdict::Lenient),
        ];

        for (line, verdict) in lines {
            assert_eq!(LineScan::default().feed(line), LineScan::Done(verdict), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn request_line_in_pieces_is_parsed_like_a_complete_one() {
        let line = b"GET /a HTTP/1.1\r\n";

        let scan = line.iter().fold(LineScan::default(), |scan, byte| scan.feed(&[*byte]));

        assert_eq!(scan, LineScan::Done(LineVerdict::Strict));
    }
}
