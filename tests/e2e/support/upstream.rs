//! A simulated Onfido that returns the received request in its response, fast enough for load.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers each request with its head and the length of its body, as text; `/download/N` with N bytes.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

// === impl Echo ===

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let [requests, connections] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let (count, accepted) = (Arc::clone(&requests), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                let count = Arc::clone(&count);
                tokio::spawn(async move { serve(stream, &count).await });
            }
        });
        Self { address, requests, connections }
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many requests arrived.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Serves one connection until it ends or fails.
async fn serve(mut stream: TcpStream, count: &AtomicUsize) -> Option<Infallible> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            match buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => read_more(&mut stream, &mut buffer).await?,
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let (body_length, body) = read_body(&mut stream, &mut buffer, &head).await?;
        let size = head.split(' ').nth(1)?.rsplit_once("/download/").and_then(|(_, size)| size.parse().ok());
        match size {
            Some(size) => send_bytes(&mut stream, size).await?,
            None => {
                let text =
                    format!("{head}body-length: {body_length}\r\n\r\n{}", String::from_utf8_lossy(&body));
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                );
                stream.write_all(answer.as_bytes()).await.ok()?;
            }
        }
    }
}

/// Reads a body by its length or its chunks; keeps at most 64 KiB of it.
async fn read_body(stream: &mut TcpStream, buffer: &mut Vec<u8>, head: &str) -> Option<(usize, Vec<u8>)> {
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let mut kept = Vec::new();
    let mut total = 0;
    if field("transfer-encoding").is_some() {
        loop {
            let line = loop {
                match buffer.windows(2).position(|window| window == b"\r\n") {
                    Some(end) => break end,
                    None => read_more(stream, buffer).await?,
                }
            };
            let size = usize::from_str_radix(std::str::from_utf8(&buffer[..line]).ok()?.trim(), 16).ok()?;
            buffer.drain(..line + 2);
            total += take(stream, buffer, size, &mut kept).await?;
            take(stream, buffer, 2, &mut Vec::new()).await?;
            if size == 0 {
                return Some((total, kept));
            }
        }
    }
    let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    total += take(stream, buffer, length, &mut kept).await?;
    Some((total, kept))
}

async fn take(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    size: usize,
    kept: &mut Vec<u8>,
) -> Option<usize> {
    let mut left = size;
    while left > 0 {
        if buffer.is_empty() {
            read_more(stream, buffer).await?;
        }
        let part = left.min(buffer.len());
        if kept.len() < 65536 {
            kept.extend_from_slice(&buffer[..part]);
        }
        buffer.drain(..part);
        left -= part;
    }
    Some(size)
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 65536];
    match stream.read(&mut chunk).await {
        Ok(read @ 1..) => {
            buffer.extend_from_slice(&chunk[..read]);
            Some(())
        }
        Ok(0) | Err(_) => None,
    }
}

async fn send_bytes(stream: &mut TcpStream, size: usize) -> Option<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let block = vec![b'x'; 65536];
    let mut left = size;
    while left > 0 {
        let part = left.min(block.len());
        stream.write_all(&block[..part]).await.ok()?;
        left -= part;
    }
    Some(())
}
