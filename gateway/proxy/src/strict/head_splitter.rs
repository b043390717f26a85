//! Finds the end of a message head in the bytes as they arrive, and keeps the bytes of the body that arrived with it.
//!
//! Pingora does not report how many bytes of its buffer belong to the body, so the strict parser of chunked bodies gets these bytes
//! from here.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Splits a head that arrives in pieces from the bytes behind it.
#[derive(Debug, Default)]
pub(crate) struct HeadSplitter {
    /// How many bytes of the empty line that ends the head came last; all of them once the head is complete.
    matched: usize,
    /// Whether more than the empty lines came that may precede a request (RFC 9112 §2.2).
    has_begun: bool,
    body_prefix: Vec<u8>,
}

// === impl HeadSplitter ===

impl HeadSplitter {
    /// Takes bytes that arrived before the head was parsed. Only CRLF ends a line here: a head with others is refused anyway.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        if !self.has_begun {
            let first = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
            bytes = first.and_then(|first| bytes.get(first..)).unwrap_or_default();
            self.has_begun = first.is_some();
        }
        while self.matched < HEAD_END.len() {
            if self.matched == 0
                && let Some(at) = HEAD_END_FINDER.find(bytes)
            {
                self.matched = HEAD_END.len();
                bytes = bytes.get(at + HEAD_END.len()..).unwrap_or_default();
                break;
            }
            let Some((&byte, rest)) = bytes.split_first() else { return };
            // The whole end is not in the bytes, so only their last ones can begin it.
            let skip = if self.matched == 0 { rest.len().saturating_sub(HEAD_END.len()) } else { 0 };
            if skip > 0 {
                bytes = bytes.get(skip..).unwrap_or_default();
                continue;
            }
            self.matched = match (self.matched, byte) {
                (matched, byte) if HEAD_END.get(matched) == Some(&byte) => matched + 1,
                (_, b'\r') => 1,
                (_, _) => 0,
            };
            bytes = rest;
        }
        self.body_prefix.extend_from_slice(bytes);
    }

    /// Returns whether the empty line that ends the head came.
    pub(crate) fn is_complete(&self) -> bool {
        self.matched == HEAD_END.len()
    }

    /// Returns the bytes after the head.
    pub(crate) fn body_prefix(&self) -> &[u8] {
        &self.body_prefix
    }
}

const HEAD_END: &[u8] = b"\r\n\r\n";
/// Built once: building it costs more than searching a head.
static HEAD_END_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(HEAD_END));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_after_a_head_are_found_at_every_split() {
        let rows: [(&[u8], &[u8]); 6] = [
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
            (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
            (b"\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\nbody", b"body"),
            (b"POST / HTTP/1.1\r\nX: \r\r\n\r\nbody", b"body"),
            (b"POST / HTTP/1.1\r\n\r\n\r\n\r\nbody", b"\r\n\r\nbody"),
            (b"POST / HTTP/1.1\r\nHost: a\r\n", b""),
        ];

        for (bytes, surplus) in rows {
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let mut splitter = HeadSplitter::default();
                    splitter.feed(&bytes[..first]);
                    splitter.feed(&bytes[first..second]);
                    splitter.feed(&bytes[second..]);
                    assert_eq!(splitter.body_prefix(), surplus, "{} {first} {second}", bytes.escape_ascii());
                }
            }
        }
    }
}
