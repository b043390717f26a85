//! An upstream that accepts only bodies with one unambiguous end, and records the requests of each connection.
//!
//! Tests use it to find request smuggling: bytes that the gateway forwards after the end of a body appear as `surplus`.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The running upstream. It answers until the runtime ends.
#[derive(Debug)]
pub struct Strict {
    address: SocketAddr,
    seen: Arc<Seen>,
}

/// The requests of one connection.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The request heads, in lower case.
    pub requests: Vec<String>,
    /// The number of bytes of all bodies.
    pub body: usize,
    /// The bytes at the place of a request head that are not one, or the invalid part of a chunked body.
    pub surplus: Option<String>,
}

#[derive(Debug)]
struct Seen {
    connections: Mutex<Vec<Connection>>,
    answer: &'static str,
    early: bool,
}

/// A connection with its buffered bytes.
struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
}

// === impl Strict ===

impl Strict {
    /// Starts an upstream that answers each request with `answer`; with `early`, before it reads the body.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn start(answer: &'static str, early: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen { connections: Mutex::default(), answer, early });
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let all = Arc::clone(&all);
                tokio::spawn(async move {
                    let number = {
                        let mut connections = all.lock();
                        connections.push(Connection::default());
                        connections.len() - 1
                    };
                    // The gateway may close a connection at any point; that is not an error here.
                    let _ = all.serve(Reader { stream, buffer: Vec::new() }, number).await;
                });
            }
        });
        Ok(Self { address, seen })
    }

    /// Returns the address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns all connections so far.
    pub fn connections(&self) -> Vec<Connection> {
        self.seen.lock().clone()
    }

    /// Returns the number of requests so far.
    pub fn requests(&self) -> usize {
        self.seen.lock().iter().map(|connection| connection.requests.len()).sum()
    }
}

// === impl Seen ===

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, number: usize, update: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.lock().get_mut(number) {
            update(connection);
        }
    }

    async fn serve(&self, mut reader: Reader, number: usize) -> Result<()> {
        reader.stream.set_nodelay(true)?;
        loop {
            let head = String::from_utf8_lossy(&reader.until(b"\r\n\r\n").await?).to_ascii_lowercase();
            if !["get ", "post ", "put ", "patch ", "delete "].iter().any(|method| head.starts_with(method)) {
                self.update(number, |connection| connection.surplus = Some(head));
                return Ok(());
            }
            self.update(number, |connection| connection.requests.push(head.clone()));
            if self.early {
                reader.stream.write_all(self.answer.as_bytes()).await?;
            }
            match reader.body(&head).await {
                Ok(read) => self.update(number, |connection| connection.body += read),
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    self.update(number, |connection| connection.surplus = Some(error.to_string()));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            if !self.early {
                reader.stream.write_all(self.answer.as_bytes()).await?;
            }
        }
    }
}

// === impl Reader ===

impl Reader {
    /// Reads the body of a request. Returns its length.
    async fn body(&mut self, head: &str) -> Result<usize> {
        if !head.contains("transfer-encoding: chunked") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            self.take(length).await?;
            return Ok(length);
        }
        let mut whole = 0;
        loop {
            let line = String::from_utf8_lossy(&self.until(b"\r\n").await?).into_owned();
            let size = usize::from_str_radix(line.trim_end(), 16)
                .map_err(|_| Error::new(ErrorKind::InvalidData, line.clone()))?;
            let chunk = self.take(size + 2).await?;
            if !chunk.ends_with(b"\r\n") {
                return Err(Error::new(ErrorKind::InvalidData, "a chunk without its end"));
            }
            whole += size;
            if size == 0 {
                return Ok(whole);
            }
        }
    }

    async fn until(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len()).await;
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
