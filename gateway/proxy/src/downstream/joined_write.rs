//! Writes a response head and the first piece of its body together.
//!
//! Pingora's session writes them one after the other, which costs a system call, a packet and a TLS record more than one write
//! of both. Its own listeners have a write buffer below TLS for that; the gateway's accept loop has none, because it would take
//! memory of each idle connection.

use std::io;
use std::iter;
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
    /// Whether the next flush concerns the held head alone: Pingora flushes a head without `Content-Length` at once.
    skips_flush: bool,
}

// === impl JoinedWrite ===

impl JoinedWrite {
    /// Holds the next write back until the one after it, or the second flush.
    pub(super) fn begin(&self) {
        self.is_begun.store(true, Ordering::Relaxed);
    }

    /// Writes `bytes`, together with what is held.
    pub(super) fn write(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if *self.is_begun.get_mut() {
            ready!(self.write_held(inner, context))?;
            *self.is_begun.get_mut() = false;
            (self.held, self.skips_flush) = (bytes.to_vec(), true);
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.held.is_empty() {
            return Pin::new(inner).poll_write(context, bytes);
        }
        self.write_vectored(inner, context, &[io::IoSlice::new(bytes)])
    }

    /// Writes several slices, together with what is held. Reports none of their bytes before all that is held is written.
    pub(super) fn write_vectored(
        &mut self,
        inner: &mut Stream,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        while let Some(rest) = self.held.get(self.written..).filter(|rest| !rest.is_empty()) {
            let mut all = [io::IoSlice::new(&[]); MAX_SLICES];
            let parts = iter::once(io::IoSlice::new(rest)).chain(slices.iter().copied());
            for (slot, part) in all.iter_mut().zip(parts) {
                *slot = part;
            }
            let missing = rest.len();
            let written = match ready!(Pin::new(&mut *inner).poll_write_vectored(context, &all))? {
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
        Pin::new(inner).poll_write_vectored(context, slices)
    }

    /// Flushes, except directly behind the write that is held.
    pub(super) fn flush(&mut self, inner: &mut Stream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.skips_flush) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.write_held(inner, context))?;
        Pin::new(inner).poll_flush(context)
    }

    /// Writes what is held. Pingora's own `Shutdown` does not come by here: it follows a failed write, or a flush.
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
            (self.held, self.written, self.skips_flush) = (Vec::new(), 0, false);
        }
    }
}

/// The held head, and the size line, the bytes and the end of a chunk.
const MAX_SLICES: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncRead, ReadBuf};

    use super::*;
    use crate::stream_wrapper::delegate_io;

    /// Records each write, takes so many bytes of it at most, and is pending before each one.
    #[derive(Debug)]
    struct Recorder {
        inner: Stream,
        limit: usize,
        is_ready: bool,
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
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.is_ready = !self.is_ready;
            if self.is_ready {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
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
            joined.flush(stream, context)
        }

        fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What is written of `pieces`, the first of which is held, when each write takes `limit` bytes at most. `FLUSH` flushes.
    async fn writes(pieces: &[&str], limit: usize) -> Vec<String> {
        // In here: above, it would hide the method `shutdown` of Pingora's trait.
        use tokio::io::AsyncWriteExt;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let inner: Stream = Box::new(pingora::protocols::l4::stream::Stream::from(socket));
        let writes = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder { inner, limit, is_ready: false, writes: Arc::clone(&writes) };
        let mut stream: Stream = Box::new(recorder);
        let mut joined = JoinedWrite::default();
        joined.begin();
        for piece in pieces {
            let mut writer = Joined(&mut joined, &mut stream);
            match *piece {
                FLUSH => writer.flush().await.unwrap(),
                piece => writer.write_all(piece.as_bytes()).await.unwrap(),
            }
        }
        writes.lock().unwrap().clone()
    }

    const FLUSH: &str = "flush";

    #[tokio::test]
    async fn head_and_first_piece_are_one_write() {
        assert_eq!(writes(&["head", "body", "rest", FLUSH], 100).await, ["headbody", "rest"]);
    }

    #[tokio::test]
    async fn flush_between_head_and_first_piece_does_not_part_them() {
        assert_eq!(writes(&["head", FLUSH, "body", FLUSH], 100).await, ["headbody"]);
    }

    #[tokio::test]
    async fn head_alone_is_written_by_the_second_flush() {
        assert_eq!(writes(&["head", FLUSH], 100).await, Vec::<String>::new());
        assert_eq!(writes(&["head", FLUSH, FLUSH], 100).await, ["head"]);
    }

    #[tokio::test]
    async fn write_that_takes_only_a_part_loses_nothing() {
        for limit in 1..10 {
            assert_eq!(writes(&["head", "body", FLUSH], limit).await.concat(), "headbody", "{limit}");
        }
    }

    #[tokio::test]
    async fn slices_are_written_behind_what_is_held() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let inner: Stream = Box::new(pingora::protocols::l4::stream::Stream::from(socket));
        let writes = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder { inner, limit: 100, is_ready: false, writes: Arc::clone(&writes) };
        let mut stream: Stream = Box::new(recorder);
        let mut joined = JoinedWrite::default();
        joined.begin();
        let slices = [io::IoSlice::new(b"4\r\n"), io::IoSlice::new(b"body"), io::IoSlice::new(b"\r\n")];

        let first =
            std::future::poll_fn(|context| joined.write(&mut stream, context, b"head")).await.unwrap();
        let second = std::future::poll_fn(|context| joined.write_vectored(&mut stream, context, &slices))
            .await
            .unwrap();

        assert_eq!((first, second), (4, 9));
        assert_eq!(*writes.lock().unwrap(), ["head4\r\nbody\r\n"]);
    }
}
