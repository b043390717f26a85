//! Raw sockets: an upstream that records every byte, and a caller that sends arbitrary bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An upstream that records what arrives and answers each complete head with 200.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    bytes: Arc<Mutex<Vec<u8>>>,
}

// === impl Recorder ===

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&bytes);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let record = Arc::clone(&record);
                tokio::spawn(async move {
                    let mut buffer = [0; 65536];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        record.lock().unwrap().extend_from_slice(&buffer[..read]);
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, bytes }
    }

    /// Everything that arrived so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

/// Reads the head of a request.
pub(crate) async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

/// Sends `request` as it is over a connection of its own.
pub(crate) async fn send(gateway: SocketAddr, request: &[u8]) -> String {
    exchange(&mut TcpStream::connect(gateway).await.unwrap(), request).await
}

/// Sends `request` as it is and reads until the gateway closes, or has sent one complete answer.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8]) -> String {
    // The gateway may refuse and close before all is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 65536];
    while !is_complete(&answer) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer; 0 when there is none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    body.len() >= length.unwrap_or(usize::MAX)
}

/// Chunked bodies that lenient parsers end at another place than strict ones, each followed by a hidden message.
pub(crate) fn malformed_chunks(hidden: &str) -> [(&'static str, String); 9] {
    let size = format!("{:x}", hidden.len() + 5);
    [
        ("line feed in an extension", format!("3;\nxx\r\n{size}\r\n0\r\n\r\n{hidden}\r\n0\r\n\r\n")),
        ("line feed behind a size", format!("2\nxx\r\n0\r\n\r\n{hidden}")),
        ("empty size", format!("\r\n\r\n{hidden}")),
        ("extension without size", format!(";a\r\n\r\n{hidden}")),
        ("space behind the size", format!("0 \r\n\r\n{hidden}")),
        ("control byte in an extension", format!("0;a\u{1}\r\n\r\n{hidden}")),
        ("trailer without colon", format!("0\r\nno colon\r\n\r\n{hidden}")),
        ("trailer that frames", format!("0\r\nContent-Length: 6\r\n\r\n{hidden}")),
        ("trailer with a line feed", format!("0\r\nx: a\nb: c\r\n\r\n{hidden}")),
    ]
}
