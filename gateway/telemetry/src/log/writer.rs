//! Collects log lines in memory and writes them in blocks, on a thread of its own.
//!
//! A request must not wait for the reader of standard output or for a disk, so the request path only copies the line. The thread
//! waits up to 20 ms before a write, because one write of many lines needs far fewer system calls than one for each.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::metrics::Counter;

/// Buffers lines in memory; a thread writes them within [`GATHER_INTERVAL`].
///
/// When the reader is slow or gone and [`MAX_BUFFERED_BYTES`] wait, new lines are dropped and counted.
#[derive(Clone, Debug)]
pub(crate) struct BlockWriter(Arc<Shared>);

/// The destination of blocks. A block consists of whole lines.
pub(crate) trait Output: Write + Send {
    /// Syncs written lines to the disk when that is due. Returns the time until the next sync; `None` when there is nothing to
    /// sync.
    fn sync_when_due(&mut self) -> Option<Duration> {
        None
    }
}

impl Output for File {}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Notified when the thread has lines to write.
    wake: Condvar,
    /// Notified when a block is written.
    written: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// The thread is writing a block.
    writing: bool,
    /// A caller waits for the flush, so the thread does not wait for more lines.
    flush_requested: bool,
    closed: bool,
}

// === impl BlockWriter ===

impl BlockWriter {
    /// Starts a thread that writes to standard output. `dropped` counts the lines that were not written.
    pub(crate) fn to_stdout(dropped: Counter) -> io::Result<Self> {
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Self::start(output, dropped)
    }

    /// Starts a thread that writes to this output.
    pub(crate) fn start(output: impl Output + 'static, dropped: Counter) -> io::Result<Self> {
        let (state, wake, written) = (Mutex::default(), Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { state, wake, written, dropped });
        let worker = Arc::clone(&shared);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || worker.run(output))?;
        Ok(Self(shared))
    }

    /// Waits until all lines are written, at most [`FLUSH_TIMEOUT`].
    pub(crate) fn wait_until_written(&self) {
        self.0.flush();
    }

    /// Ends the thread after it has written the buffered lines. Later lines are dropped and counted.
    pub(crate) fn close(&self) {
        self.0.lock().closed = true;
        self.0.wake.notify_one();
    }
}

impl Write for &BlockWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.closed || state.lines.len() + line.len() > MAX_BUFFERED_BYTES {
            drop(state);
            self.0.dropped.inc();
            return Ok(line.len());
        }
        let before = state.lines.len();
        state.lines.extend_from_slice(line);
        let after = state.lines.len();
        drop(state);
        // Notify only when the thread may be waiting: a notification for each line would cost a system call.
        if before == 0 || (before < BLOCK_BYTES && after >= BLOCK_BYTES) {
            self.0.wake.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for BlockWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut output: impl Output) {
        loop {
            let next_sync = output.sync_when_due();
            let state = self.wait_for_lines(next_sync);
            if state.lines.is_empty() {
                if state.closed {
                    drop(state);
                    // The lines are written; a failed sync cannot be repeated here.
                    let _ = output.flush();
                    return;
                }
                continue;
            }
            // Wait for more lines: at 30,000 requests a second this is one system call instead of 600.
            let gathering = |state: &mut State| {
                !state.closed && !state.flush_requested && state.lines.len() < BLOCK_BYTES
            };
            let (mut state, _) = self
                .wake
                .wait_timeout_while(state, GATHER_INTERVAL, gathering)
                .unwrap_or_else(PoisonError::into_inner);
            let lines = std::mem::take(&mut state.lines);
            state.writing = true;
            drop(state);
            let rest = write_all_lines(&mut output, &lines);
            let lost = rest.iter().filter(|byte| **byte == b'\n').count();
            // The failure of the log cannot be logged, and it must not fail requests: a metric counts it.
            self.dropped.inc_by(u64::try_from(lost).unwrap_or(u64::MAX));
            self.lock().writing = false;
            self.written.notify_all();
        }
    }

    /// Waits for lines or for `close`, at most until the next sync.
    fn wait_for_lines(&self, next_sync: Option<Duration>) -> MutexGuard<'_, State> {
        let is_idle = |state: &mut State| state.lines.is_empty() && !state.closed;
        let state = self.lock();
        match next_sync {
            Some(time) => {
                let waited = self.wake.wait_timeout_while(state, time, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.wake.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn flush(&self) {
        // Without this the thread would wait up to `GATHER_INTERVAL` for more lines.
        self.lock().flush_requested = true;
        self.wake.notify_one();
        let state = self.lock();
        let pending = |state: &mut State| state.writing || !state.lines.is_empty();
        let (mut state, _) = self
            .written
            .wait_timeout_while(state, FLUSH_TIMEOUT, pending)
            .unwrap_or_else(PoisonError::into_inner);
        state.flush_requested = false;
    }
}

/// Writes all bytes and returns those that could not be written. Retries when the output is not ready: a terminal or a pipe can
/// be non-blocking, since another process that shares it can set `O_NONBLOCK`.
fn write_all_lines<'a>(output: &mut impl Write, mut bytes: &'a [u8]) -> &'a [u8] {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => break,
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::park_timeout(WOULD_BLOCK_DELAY);
            }
            Err(_) => break,
        }
    }
    bytes
}

/// The longest time that a line waits for others.
const GATHER_INTERVAL: Duration = Duration::from_millis(20);
/// The buffered bytes at which the thread writes without further waiting.
const BLOCK_BYTES: usize = 256 * 1024;
/// The largest number of buffered bytes; further lines are dropped.
const MAX_BUFFERED_BYTES: usize = 16 * 1024 * 1024;
/// How long the process waits at its end for the reader of its log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause before a retry when the output is not ready.
const WOULD_BLOCK_DELAY: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts three bytes per write, and answers every second write with `WouldBlock`.
    #[derive(Default)]
    struct ShortWrites(Vec<u8>, usize);

    impl Write for ShortWrites {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(2) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(3);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn counter() -> Counter {
        crate::metrics::MetricsRegistry::default().counter("dropped", "Lines.", &[]).unwrap().with(&[])
    }

    #[test]
    fn write_is_retried_while_the_output_is_not_ready() {
        let mut output = ShortWrites::default();

        let rest = write_all_lines(&mut output, b"one\ntwo\nthree\n");

        assert_eq!((rest, output.0.as_slice()), (&b""[..], &b"one\ntwo\nthree\n"[..]));
    }

    #[test]
    fn lines_beyond_the_buffer_are_dropped_and_counted_without_blocking() {
        let (reader, writer) = io::pipe().unwrap();
        let dropped = counter();
        let writer =
            BlockWriter::start(File::from(std::os::fd::OwnedFd::from(writer)), dropped.clone()).unwrap();
        let mut log = &writer;
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();

        // More bytes than the pipe, the block being written and the buffer can hold together; nobody reads the pipe.
        for _ in 0..2 * MAX_BUFFERED_BYTES / line.len() {
            log.write_all(&line).unwrap();
        }

        assert!(dropped.get() > 0);
        // The wait ends after the timeout, although nobody reads.
        writer.wait_until_written();
        drop(reader);
    }
}
