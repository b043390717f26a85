//! Watches the request line as it arrives, since Pingora escapes illegal bytes in it before anyone can look.

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

/// How the line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineVerdict {
    /// As the grammar wants it.
    Strict,
    /// With bytes or spaces that do not belong there.
    Lax,
}

// === impl LineScan ===

impl LineScan {
    /// Reads on; bytes after the line are not looked at.
    pub(crate) fn feed(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes {
            if matches!(self, Self::Done(_)) {
                break;
            }
            self = self.step(byte);
        }
        self
    }

    fn step(self, byte: u8) -> Self {
        const LAX: LineScan = LineScan::Done(LineVerdict::Lax);
        match self {
            Self::Start => match byte {
                b'\r' | b'\n' => Self::Start,
                b'A'..=b'Z' | b'a'..=b'z' => Self::Method,
                _ => LAX,
            },
            Self::Method => match byte {
                b' ' => Self::Target,
                b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'0'..=b'9' => Self::Method,
                _ => LAX,
            },
            Self::Target => match byte {
                b' ' => Self::Version,
                0x21..=0x7e => Self::Target,
                _ => LAX,
            },
            Self::Version => match byte {
                b'\r' => Self::LineFeed,
                b'H' | b'T' | b'P' | b'/' | b'.' | b'0'..=b'9' => Self::Version,
                _ => LAX,
            },
            Self::LineFeed => match byte {
                b'\n' => Self::Done(LineVerdict::Strict),
                _ => LAX,
            },
            Self::Done(verdict) => Self::Done(verdict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_grammar_is_strict() {
        let lines: [(&[u8], LineVerdict); 8] = [
            (b"GET /a?b=c HTTP/1.1\r\n", LineVerdict::Strict),
            (b"\r\nPOST /a HTTP/1.0\r\nHost: x", LineVerdict::Strict),
            (b"GET /a b HTTP/1.1\r\n", LineVerdict::Lax),
            (b"GET  /a HTTP/1.1\r\n", LineVerdict::Lax),
            (b"GET /a\0 HTTP/1.1\r\n", LineVerdict::Lax),
            (b"GET /a\x7f HTTP/1.1\r\n", LineVerdict::Lax),
            (b"GET /\xc3\xa9 HTTP/1.1\r\n", LineVerdict::Lax),
            (b"GET /a HTTP/1.1\n", LineVerdict::Lax),
        ];

        for (line, verdict) in lines {
            assert_eq!(LineScan::default().feed(line), LineScan::Done(verdict), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_line_in_pieces_reads_like_a_whole_one() {
        let line = b"GET /a HTTP/1.1\r\n";

        let scan = line.iter().fold(LineScan::default(), |scan, byte| scan.feed(&[*byte]));

        assert_eq!(scan, LineScan::Done(LineVerdict::Strict));
    }
}
