//! The end of a message head in the bytes as they arrive, and what came together with it: the begin of the body.

use memchr::memmem;

/// Finds the end of a head that arrives in pieces, and keeps the bytes behind it.
#[derive(Debug, Default)]
pub(crate) struct HeadSplitter {
    /// How many bytes of the head's end came last; all of them once the head is over.
    matched: usize,
    /// Whether more than empty lines came, which may be sent before a request (RFC 9112 §2.2).
    begun: bool,
    bytes: Vec<u8>,
}

// === impl HeadSplitter ===

impl HeadSplitter {
    /// Looks at bytes that arrived before the head was parsed. Only CRLF ends its lines; others are refused with it.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        if !self.begun {
            let first = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
            bytes = first.and_then(|first| bytes.get(first..)).unwrap_or_default();
            self.begun = first.is_some();
        }
        while self.matched < END.len() {
            if self.matched == 0
                && let Some(at) = memmem::find(bytes, END)
            {
                self.matched = END.len();
                bytes = bytes.get(at + END.len()..).unwrap_or_default();
                break;
            }
            let Some((&byte, rest)) = bytes.split_first() else { return };
            // Without a whole end in the bytes, only their last ones can begin one.
            let skip = if self.matched == 0 { rest.len().saturating_sub(END.len()) } else { 0 };
            if skip > 0 {
                bytes = bytes.get(skip..).unwrap_or_default();
                continue;
            }
            self.matched = match (self.matched, byte) {
                (matched, byte) if END.get(matched) == Some(&byte) => matched + 1,
                (_, b'\r') => 1,
                (_, _) => 0,
            };
            bytes = rest;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Says whether the empty line that ends the head came.
    pub(crate) fn is_found(&self) -> bool {
        self.matched == END.len()
    }

    /// The bytes behind the head.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes
    }
}

const END: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_behind_a_head_are_found_however_it_is_cut() {
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
                    let mut found = HeadSplitter::default();
                    found.feed(&bytes[..first]);
                    found.feed(&bytes[first..second]);
                    found.feed(&bytes[second..]);
                    assert_eq!(found.rest(), surplus, "{} {first} {second}", bytes.escape_ascii());
                }
            }
        }
    }
}
