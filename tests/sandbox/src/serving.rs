//! A small HTTP server that closes its socket and all its connections when its handle is dropped.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A bound socket that is not served yet.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// A running server. Dropping it closes the socket and aborts open connections, like a crash.
#[derive(Debug)]
pub(crate) struct Serving {
    accepting: JoinHandle<()>,
    _alive: watch::Sender<()>,
}

struct Breakable {
    listener: TcpListener,
    alive: watch::Receiver<()>,
}

/// A connection that fails after its server was dropped.
struct Connection {
    stream: TcpStream,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
}

// === impl Socket ===

impl Socket {
    /// Binds `port` of 127.0.0.1; 0 selects a free one.
    pub(crate) async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Starts to serve.
    pub(crate) fn serve(self, router: Router) -> Serving {
        let (sender, alive) = watch::channel(());
        let listener = Breakable { listener: self.listener, alive };
        let accepting = tokio::spawn(async move {
            // `serve` does not return: axum retries when accept() fails.
            let _ = axum::serve(listener, router).await;
        });
        Serving { accepting, _alive: sender }
    }
}

// === impl Serving ===

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

// === impl Breakable ===

impl Listener for Breakable {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        // Without TCP_NODELAY, small responses wait for the peer's delayed acknowledgement. A failure is harmless.
        let _ = stream.set_nodelay(true);
        let mut alive = self.alive.clone();
        // `changed` returns only with an error, when the server is dropped: nothing is sent on this channel.
        let ended = Box::pin(async move { drop(alive.changed().await) });
        (Connection { stream, ended }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

// === impl Connection ===

impl Connection {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.ended.as_mut().poll(context) {
            Poll::Ready(()) => {
                // A completed future must not be polled again.
                self.ended = Box::pin(std::future::ready(()));
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::Socket;

    #[tokio::test]
    async fn open_connections_are_aborted_when_the_server_is_dropped() {
        let socket = Socket::bind(0).await.unwrap();
        let address = socket.address;
        let serving = socket.serve(Router::new());
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let first = stream.read_u8().await.unwrap();

        drop(serving);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;

        assert_eq!(first, b'H');
        assert!(
            String::from_utf8_lossy(&rest).starts_with("TTP/1.1 404"),
            "the response was sent before the abort"
        );
        assert!(TcpStream::connect(address).await.is_err(), "the socket is closed");
    }
}
