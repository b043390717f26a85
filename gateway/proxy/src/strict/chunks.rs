//! Parses a chunked body strictly (RFC 9112 §7.1), in addition to Pingora's own parser (ADR 18).
//!
//! Pingora's parser accepts a bare line feed inside a chunk extension, an empty size and space after the size, and skips trailers
//! without checking them. A proxy in front that parses the same bytes differently then disagrees with the gateway about the end of
//! a request, and the gateway serves a part of the body as the next request (RFC 9112 §11.2, CVE-2025-55315). This parser accepts
//! only the grammar, on which all parsers agree; Pingora never gets the bytes that it refuses.

use super::trailers::Trailers;
use super::violation::MalformedBody;

/// The position in a chunked body.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChunkScan {
    state: State,
    trailers: Trailers,
    /// The bytes behind the body so far.
    surplus: usize,
}

/// What the parser expects next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The first digit of a size.
    #[default]
    Begin,
    /// More digits, or what ends them.
    Size { digits: u8, size: u64 },
    /// An extension, with the number of its bytes so far.
    Extension { bytes: u16, size: u64 },
    /// The line feed of a chunk line.
    LineFeed { size: u64 },
    /// The data of the chunk, with the number of bytes left.
    Data(u64),
    /// The carriage return after the chunk.
    DataReturn,
    /// The line feed after the chunk.
    DataFeed,
    /// The trailer section.
    Trailers,
    /// The body is complete.
    Done,
    /// The body is malformed; the rest is not parsed.
    Malformed(MalformedBody),
}

// === impl ChunkScan ===

impl ChunkScan {
    /// Parses the next bytes; bytes after the body are only counted.
    ///
    /// # Errors
    ///
    /// The first [`MalformedBody`].
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), MalformedBody> {
        self.read(bytes).inspect_err(|malformed| self.state = State::Malformed(*malformed))
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), MalformedBody> {
        let mut rest = bytes;
        while let Some((&byte, next)) = rest.split_first() {
            match self.state {
                State::Done => {
                    self.surplus += rest.len();
                    return Ok(());
                }
                State::Malformed(malformed) => return Err(malformed),
                State::Data(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    rest = rest.get(here..).unwrap_or_default();
                    self.state = match left - here as u64 {
                        0 => State::DataReturn,
                        left => State::Data(left),
                    };
                }
                State::Trailers => {
                    if self.trailers.step(byte)? {
                        self.state = State::Done;
                    }
                    rest = next;
                }
                state => {
                    self.state = step(state, byte)?;
                    rest = next;
                }
            }
        }
        Ok(())
    }

    /// Returns whether the body is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Returns whether the body is complete, and exactly `surplus` bytes came behind it.
    pub(crate) fn is_followed_by(&self, surplus: usize) -> bool {
        self.is_done() && self.surplus == surplus
    }
}

/// One byte of a chunk line, or of what ends a chunk.
fn step(state: State, byte: u8) -> Result<State, MalformedBody> {
    let digit = || char::from(byte).to_digit(16).map(u64::from);
    match state {
        State::Begin => match digit() {
            Some(size) => Ok(State::Size { digits: 1, size }),
            None => Err(MalformedBody::ChunkLine),
        },
        State::Size { digits, size } => match (byte, digit()) {
            (b'\r', _) => Ok(State::LineFeed { size }),
            (b';', _) => Ok(State::Extension { bytes: 0, size }),
            (_, Some(digit)) if digits < MAX_DIGITS => {
                Ok(State::Size { digits: digits + 1, size: size << 4 | digit })
            }
            (_, _) => Err(MalformedBody::ChunkLine),
        },
        State::Extension { bytes, size } => match byte {
            b'\r' => Ok(State::LineFeed { size }),
            // The grammar allows a tab in a quoted string. No known client sends one, and parsers differ in it.
            0x00..=0x1f | 0x7f => Err(MalformedBody::ChunkLine),
            _ if bytes < MAX_EXTENSION => Ok(State::Extension { bytes: bytes + 1, size }),
            _ => Err(MalformedBody::ChunkLine),
        },
        State::LineFeed { size } => match (byte, size) {
            (b'\n', 0) => Ok(State::Trailers),
            (b'\n', size) => Ok(State::Data(size)),
            (_, _) => Err(MalformedBody::ChunkLine),
        },
        State::DataReturn if byte == b'\r' => Ok(State::DataFeed),
        State::DataFeed if byte == b'\n' => Ok(State::Begin),
        State::DataReturn | State::DataFeed => Err(MalformedBody::ChunkEnd),
        State::Data(_) | State::Trailers | State::Done | State::Malformed(_) => Ok(state),
    }
}

/// A size with more digits may not fit into 64 bits.
const MAX_DIGITS: u8 = 16;
/// Extensions carry at most a signature. A long one makes each byte of a body cost a page of reading (CVE-2023-39326).
const MAX_EXTENSION: u16 = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<bool, MalformedBody> {
        let mut scan = ChunkScan::default();
        scan.feed(bytes).map(|()| scan.is_done())
    }

    #[test]
    fn bodies_of_the_grammar_are_accepted() {
        let rows: [&[u8]; 9] = [
            b"0\r\n\r\n",
            b"000;a\r\n\r\nGET / HTTP/1.1\r\n",
            b"5\r\nhello\r\n0\r\n\r\n",
            b"04\r\n\r\n\r\n\r\n0\r\n\r\n",
            b"a;b=c\r\n0123456789\r\n0\r\n\r\n",
            b"A; b=\"\xc3\xa4 c\";d\r\n0123456789\r\n0\r\n\r\n",
            b"0000000000000001\r\nx\r\n0\r\n\r\n",
            b"0\r\nX-Checksum: a\tb\xff\r\nempty:\r\n\r\n",
            b"1\r\nx\r\n0\r\n\r\n\n;anything",
        ];

        for bytes in rows {
            assert_eq!(read(bytes), Ok(true), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn other_bodies_are_refused_at_the_first_invalid_byte() {
        let long = format!("1;{}\r\n", "a".repeat(usize::from(MAX_EXTENSION) + 1));
        let (line, end) = (MalformedBody::ChunkLine, MalformedBody::ChunkEnd);
        let rows: [(&[u8], MalformedBody); 24] = [
            (b"\r", line),
            (b"\n", line),
            (b";", line),
            (b" ", line),
            (b"5 ", line),
            (b"5\t", line),
            (b"5\n", line),
            (b"5\rx", line),
            (b"5\r\r", line),
            (b"5;a\n", line),
            (b"5;a\rb", line),
            (b"5;\0", line),
            (b"5;a\t", line),
            (b"5;\x7f", line),
            (b"0x", line),
            (b"+", line),
            (b"-", line),
            (b"5,", line),
            (b"00000000000000005", line),
            (long.as_bytes(), line),
            (b"1\r\nx\n", end),
            (b"1\r\nxy", end),
            (b"1\r\nx\rx", end),
            (b"1\r\nx0", end),
        ];

        for (bytes, violation) in rows {
            let before = &bytes[..bytes.len() - 1];
            if bytes.len() < 100 {
                assert_eq!(read(before), Ok(false), "{}", before.escape_ascii());
            }
            assert_eq!(read(bytes), Err(violation), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        /// The result does not depend on how the bytes are split.
        #[test]
        fn split_points_do_not_change_the_result(bytes in proptest::collection::vec(prop_oneof![
            Just(b'0'), Just(b'1'), Just(b';'), Just(b':'), Just(b'\r'), Just(b'\n'), Just(b'x'), any::<u8>()
        ], 0..40), cut in 0_usize..40) {
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut scan = ChunkScan::default();
            let pieces = scan.feed(first).and_then(|()| scan.feed(second)).map(|()| scan.is_done());
            prop_assert_eq!(pieces, read(&bytes));
        }
    }
}
