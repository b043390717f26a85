//! Writes a response head and the first piece of its body together.
//!
//! Pingora's session writes them one after the other, which costs a system call, a packet and a TLS record more than one write
//! of both. Its own listeners have a write buffer below TLS for that; the gateway's accept loop has none, because it would take
//! memory of each idle connection.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use pingora::protocols::Stream;
use tokio::io::AsyncWrite;

/// Holds one write back until the next one.
#[derive(Debug, Default)]
pub(super) struct JoinedWrite {
    /// Whether the next write is held. Set through a shared reference: Pingora's session owns the stream.
    is_begun: AtomicBool,
    held: Vec<u8>,
    /// Bytes of `held` that are written.
    written: usize,
}

// === impl JoinedWrite ===

impl JoinedWrite {
    /// The next write is held back until the one after it, or a flush.
    pub(super) fn begin(&self) {
        self.is_begun.store(true, Ordering::Relaxed);
    }

    /// Writes `bytes`, after what is held.
    pub(super) fn write(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if std::mem::take(self.is_begun.get_mut()) {
            ready!(self.write_held(inner, context))?;
            self.held = bytes.to_vec();
            return Poll::Ready(Ok(bytes.len()));
        }
        while let Some(rest) = self.held.get(self.written..).filter(|rest| !rest.is_empty()) {
            let both = [io::IoSlice::new(rest), io::IoSlice::new(bytes)];
            let missing = rest.len();
            let written = match ready!(Pin::new(&mut *inner).poll_write_vectored(context, &both))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => written,
            };
            self.written += written.min(missing);
            if written > missing {
                self.clear();
                return Poll::Ready(Ok(written - missing));
            }
        }
        self.clear();
        Pin::new(inner).poll_write(context, bytes)
    }

    /// Writes what is held.
    pub(super) fn write_held(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.held.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *inner).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.clear();
        Poll::Ready(Ok(()))
    }

    fn clear(&mut self) {
        if !self.held.is_empty() {
            // Frees the memory, so that an idle connection holds none.
            (self.held, self.written) = (Vec::new(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncRead, ReadBuf};

    use super::*;
    use crate::stream_wrapper::delegate_io;

    /// Records each write, and takes so many bytes of it at most.
    #[derive(Debug)]
    struct Recorder {
        inner: Stream,
        limit: usize,
        writes: Arc<Mutex<Vec<String>>>,
    }

    impl AsyncRead for Recorder {
        fn poll_read(
            self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            _buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Recorder {
        fn poll_write(
            self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = &bytes[..bytes.len().min(self.limit)];
            self.writes.lock().unwrap().push(String::from_utf8(taken.to_vec()).unwrap());
            Poll::Ready(Ok(taken.len()))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            slices: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.poll_write(context, &all)
        }

        fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    delegate_io!(Recorder);

    /// Writes through a [`JoinedWrite`].
    struct Joined<'a>(&'a mut JoinedWrite, &'a mut Stream);

    impl AsyncWrite for Joined<'_> {
        fn poll_write(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let Self(joined, stream) = self.get_mut();
            joined.write(stream, context, bytes)
        }

        fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            let Self(joined, stream) = self.get_mut();
            joined.write_held(stream, context)
        }

        fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What is written of `pieces`, the first of which is held, when each write takes `limit` bytes at most.
    async fn writes(pieces: &[&str], limit: usize) -> Vec<String> {
        // In here: above, it would hide the method `shutdown` of Pingora's trait.
        use tokio::io::AsyncWriteExt;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let inner: Stream = Box::new(pingora::protocols::l4::stream::Stream::from(socket));
        let writes = Arc::new(Mutex::new(Vec::new()));
        let mut stream: Stream = Box::new(Recorder { inner, limit, writes: Arc::clone(&writes) });
        let mut joined = JoinedWrite::default();
        joined.begin();
        for piece in pieces {
            Joined(&mut joined, &mut stream).write_all(piece.as_bytes()).await.unwrap();
        }
        Joined(&mut joined, &mut stream).flush().await.unwrap();
        writes.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn head_and_first_piece_are_one_write() {
        assert_eq!(writes(&["head", "body", "rest"], 100).await, ["headbody", "rest"]);
    }

    #[tokio::test]
    async fn head_alone_is_written_by_the_flush() {
        assert_eq!(writes(&["head"], 100).await, ["head"]);
    }

    #[tokio::test]
    async fn write_that_takes_only_a_part_loses_nothing() {
        for limit in 1..10 {
            assert_eq!(writes(&["head", "body"], limit).await.concat(), "headbody", "{limit}");
        }
    }
}
