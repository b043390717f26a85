//! HTTP/2 frames (RFC 9113) that client libraries do not send.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first failure"
)]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::certificates::Authority;

/// A connection on which any frame can be sent.
#[derive(Debug)]
pub struct Frames {
    stream: TlsStream<TcpStream>,
}

/// A frame that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type, such as [`DATA`].
    pub kind: u8,
    /// Its flags, such as [`END_STREAM`].
    pub flags: u8,
    /// Its stream; 0 is the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a response, whatever its status.
    Answered,
    /// The gateway reset the stream.
    Reset,
    /// The gateway closed the connection.
    Closed,
}

/// A piece of a body (section 6.1).
pub const DATA: u8 = 0;
/// The fields of a message (section 6.2).
pub const HEADERS: u8 = 1;
/// The former priority of a stream (section 6.3).
pub const PRIORITY: u8 = 2;
/// Ends a stream (section 6.4).
pub const RST_STREAM: u8 = 3;
/// Settings of the connection (section 6.5).
pub const SETTINGS: u8 = 4;
/// A ping (section 6.7).
pub const PING: u8 = 6;
/// Ends the connection (section 6.8).
pub const GOAWAY: u8 = 7;
/// Permits more data (section 6.9).
pub const WINDOW_UPDATE: u8 = 8;
/// More fields of a message (section 6.10).
pub const CONTINUATION: u8 = 9;
/// The flag of the last frame of a stream.
pub const END_STREAM: u8 = 1;
/// The flag of the last frame with fields.
pub const END_HEADERS: u8 = 4;

/// One frame (section 4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Fields as literals without Huffman coding (RFC 7541, section 6.2.2), whatever their names are.
pub fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in list {
        block.push(0);
        for text in [name, value] {
            let length = text.len();
            if length < 127 {
                block.push(u8::try_from(length).unwrap());
            } else {
                assert!(length < 255);
                block.extend([127, u8::try_from(length - 127).unwrap()]);
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

// === impl Frames ===

impl Frames {
    /// Connects, and sends the connection preface.
    pub async fn connect(authority: &Authority, gateway: SocketAddr) -> Self {
        let mut stream = authority.connect(gateway, b"h2").await;
        let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        begin.extend(frame(SETTINGS, 0, 0, &[]));
        stream.write_all(&begin).await.unwrap();
        Self { stream }
    }

    /// Sends bytes. Returns whether the connection is still open.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = async { self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok() };
        timeout(Duration::from_secs(30), sent).await.unwrap_or(false)
    }

    /// Reads the next frame; `None` when the connection ends before the end of one.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads whole frames until the connection ends: the error code of its GOAWAY, if that is the last frame.
    pub async fn farewell(&mut self) -> Option<u32> {
        let read = async {
            let mut code = None;
            while let Some(frame) = self.next().await {
                code = (frame.kind == GOAWAY)
                    .then(|| u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()));
            }
            code
        };
        timeout(Duration::from_secs(30), read).await.expect("the connection does not end")
    }

    /// Reads until a stream has an answer: its status, when it is one of the static table (RFC 7541, appendix A); `None` when
    /// the stream or the connection ends before.
    pub async fn status(&mut self, of: u32) -> Option<u16> {
        let read = async {
            loop {
                let Frame { kind, stream, payload, .. } = self.next().await?;
                match (kind, stream == of) {
                    (GOAWAY, _) | (RST_STREAM, true) => return None,
                    (HEADERS, true) => {
                        // Behind changes of the table's size (section 6.3).
                        let first = payload.into_iter().find(|byte| byte & 0xe0 != 0x20)?;
                        let place = usize::from(first & 0x7f).checked_sub(8)?;
                        return [200, 204, 206, 304, 400, 404, 500].get(place).copied();
                    }
                    _ => {}
                }
            }
        };
        timeout(Duration::from_secs(30), read).await.expect("there is no answer")
    }

    /// Reads until a stream or the connection ends.
    pub async fn end(&mut self, of: u32) -> End {
        let read = async {
            while let Some(Frame { kind, flags, stream, .. }) = self.next().await {
                match (kind, stream == of) {
                    (GOAWAY, _) => return End::Closed,
                    (RST_STREAM, true) => return End::Reset,
                    (HEADERS | DATA, true) if flags & END_STREAM != 0 => return End::Answered,
                    _ => {}
                }
            }
            End::Closed
        };
        timeout(Duration::from_secs(30), read).await.expect("the stream does not end")
    }
}
