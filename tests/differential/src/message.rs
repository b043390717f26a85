//! Reads HTTP/1 messages as they arrive, leniently: what a proxy sends is recorded, not judged.

use tokio::io::{AsyncRead, AsyncReadExt};

/// The head of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The request line or the status line.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
}

/// A body, as far as it has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) bytes: usize,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) state: BodyState,
}

/// How far a body has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BodyState {
    /// More may come.
    #[default]
    Open,
    /// All of it has arrived.
    Complete,
    /// The connection ended before.
    CutOff,
    /// Its chunks cannot be read.
    Malformed,
}

/// What of a body comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes.
    Length(usize),
    /// The line with the size of a chunk.
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(usize),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Trailers, and an empty line.
    Trailers,
    /// Everything until the connection ends.
    Close,
}

/// Reads from a connection.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    pub(crate) stream: R,
    buffer: Vec<u8>,
    /// The other side has closed, or the connection is broken.
    pub(crate) is_ended: bool,
    is_broken: bool,
}

// === impl Head ===

impl Head {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let fields = lines.filter_map(field).collect();
        Self { line, fields }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A word of the first line; empty if there are not as many.
    pub(crate) fn word(&self, place: usize) -> &str {
        self.line.split(' ').nth(place).unwrap_or_default()
    }

    /// How the body of a message ends that has one.
    pub(crate) fn framing(&self, without: Framing) -> Framing {
        let length = || self.field("content-length")?.split(',').next()?.trim().parse().ok();
        match self.field("transfer-encoding") {
            Some(_) => Framing::ChunkSize,
            None => length().map_or(without, Framing::Length),
        }
    }
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_ascii_lowercase(), value.trim().to_owned()))
}

// === impl Reader ===

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, buffer: Vec::new(), is_ended: false, is_broken: false }
    }

    /// The next head; `None` when the connection ends before.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.buffer.split_off(end + 4);
                let head = Head::parse(&std::mem::replace(&mut self.buffer, rest));
                return Some(head);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads a body until it has so many bytes, or is at its end. It can be continued when it is cancelled.
    pub(crate) async fn body(&mut self, framing: &mut Framing, body: &mut Body, wanted: usize) {
        while body.state == BodyState::Open && body.bytes < wanted {
            if self.advance(framing, body) || body.state != BodyState::Open {
                continue;
            }
            if !self.more().await {
                body.state = match framing {
                    Framing::Close if !self.is_broken => BodyState::Complete,
                    _ => BodyState::CutOff,
                };
            }
        }
    }

    /// Takes what is there; returns whether that was anything.
    fn advance(&mut self, framing: &mut Framing, body: &mut Body) -> bool {
        match *framing {
            Framing::Length(0) => body.state = BodyState::Complete,
            Framing::Length(left) => {
                let taken = self.take(left);
                body.bytes += taken;
                *framing = Framing::Length(left - taken);
                return taken > 0;
            }
            Framing::Chunk(0) => *framing = Framing::ChunkEnd,
            Framing::Chunk(left) => {
                let taken = self.take(left);
                body.bytes += taken;
                *framing = Framing::Chunk(left - taken);
                return taken > 0;
            }
            Framing::Close => {
                let taken = self.take(usize::MAX);
                body.bytes += taken;
                return taken > 0;
            }
            Framing::ChunkSize | Framing::ChunkEnd | Framing::Trailers => {
                let Some(line) = self.line() else { return false };
                *framing = next_line(*framing, &line, body);
            }
        }
        true
    }

    fn take(&mut self, most: usize) -> usize {
        let taken = most.min(self.buffer.len());
        self.buffer.drain(..taken);
        taken
    }

    fn line(&mut self) -> Option<String> {
        let end = self.buffer.windows(2).position(|window| window == b"\r\n")?;
        let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Waits for more bytes; returns whether there are any.
    pub(crate) async fn more(&mut self) -> bool {
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer).await {
            Ok(read @ 1..) => {
                self.buffer.extend(buffer.iter().take(read));
                true
            }
            end @ (Ok(0) | Err(_)) => {
                (self.is_ended, self.is_broken) = (true, end.is_err());
                false
            }
        }
    }
}

/// What follows a line of a chunked body.
fn next_line(framing: Framing, line: &str, body: &mut Body) -> Framing {
    match framing {
        Framing::ChunkSize => {
            match usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16) {
                Ok(0) => Framing::Trailers,
                Ok(size) => Framing::Chunk(size),
                Err(_) => {
                    body.state = BodyState::Malformed;
                    framing
                }
            }
        }
        Framing::Trailers if line.is_empty() => {
            body.state = BodyState::Complete;
            framing
        }
        Framing::Trailers => {
            body.trailers.extend(field(line));
            framing
        }
        Framing::ChunkEnd | Framing::Length(_) | Framing::Chunk(_) | Framing::Close => Framing::ChunkSize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunked_message_is_read_with_its_trailers() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\nrest";
        let mut reader = Reader::new(&bytes[..]);

        let head = reader.head().await.unwrap();
        let (mut framing, mut body) = (head.framing(Framing::Close), Body::default());
        reader.body(&mut framing, &mut body, usize::MAX).await;

        let trailers = vec![("x-t".to_owned(), "1".to_owned())];
        assert_eq!((head.word(1), reader.buffer.as_slice()), ("200", &b"rest"[..]));
        assert_eq!(body, Body { bytes: 5, trailers, state: BodyState::Complete });
    }

    #[tokio::test]
    async fn body_that_ends_early_is_cut_off() {
        let mut reader = Reader::new(&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"[..]);

        let head = reader.head().await.unwrap();
        let (mut framing, mut body) = (head.framing(Framing::Close), Body::default());
        reader.body(&mut framing, &mut body, usize::MAX).await;

        assert_eq!((body.bytes, body.state), (3, BodyState::CutOff));
    }
}
