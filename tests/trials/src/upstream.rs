//! An upstream of a few lines, for trials that need a quick one.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::Failure;

/// Answers each request head with 200 and what `body` makes of it; breaks the connection where that is nothing.
///
/// # Errors
///
/// No port is free.
pub(crate) async fn start(body: fn(&str) -> Option<Vec<u8>>) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; 16 * 1024];
                while let Ok(read @ 1..) = stream.read(&mut head).await {
                    let text = String::from_utf8_lossy(head.get(..read).unwrap_or_default()).into_owned();
                    let Some(body) = body(&text) else { return };
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                    if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}
