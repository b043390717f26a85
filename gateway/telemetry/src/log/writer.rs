//! Log lines are gathered and written in blocks, off the request path.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::metrics::Counter;

/// Takes lines in memory; a thread of its own writes them out at least every [`INTERVAL`].
///
/// A reader that is slow or gone never holds up a request: beyond [`MEMORY`] lines are dropped and counted.
#[derive(Clone, Debug)]
pub(crate) struct BlockWriter(Arc<Shared>);

/// Where blocks go. A write takes whole lines.
pub(crate) trait Output: Write + Send {
    /// Does what is due when nothing is written, and says when it wants to be asked again.
    fn look(&mut self) -> Option<Duration> {
        None
    }
}

impl Output for File {}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Rings when there is something to write.
    wake: Condvar,
    /// Rings when a block is written.
    written: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// A block is on its way out.
    writing: bool,
    /// Somebody waits until all is out.
    hurry: bool,
    closed: bool,
}

// === impl BlockWriter ===

impl BlockWriter {
    /// Starts the thread that writes to standard output; counts in `dropped` the lines that found no room.
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

    /// Waits until all is written out, but no longer than a reader may be expected to take.
    pub(crate) fn flush_out(&self) {
        self.0.flush();
    }

    /// Ends the thread, once it has written out what is there.
    pub(crate) fn close(&self) {
        self.0.lock().closed = true;
        self.0.wake.notify_one();
    }
}

impl Write for &BlockWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.closed || state.lines.len() + line.len() > MEMORY {
            drop(state);
            self.0.dropped.inc();
            return Ok(line.len());
        }
        let before = state.lines.len();
        state.lines.extend_from_slice(line);
        let after = state.lines.len();
        drop(state);
        if before == 0 || (before < BLOCK && after >= BLOCK) {
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
            let due = output.look();
            let state = self.wait_for_lines(due);
            if state.lines.is_empty() {
                if state.closed {
                    drop(state);
                    // What cannot be made durable at the end is written all the same.
                    let _ = output.flush();
                    return;
                }
                continue;
            }
            // Gather for a moment: at 30,000 requests a second this is one system call instead of 600.
            let gathering = |state: &mut State| !state.closed && !state.hurry && state.lines.len() < BLOCK;
            let (mut state, _) = self
                .wake
                .wait_timeout_while(state, INTERVAL, gathering)
                .unwrap_or_else(PoisonError::into_inner);
            let lines = std::mem::take(&mut state.lines);
            state.writing = true;
            drop(state);
            let rest = write_patiently(&mut output, &lines);
            let lost = rest.iter().filter(|byte| **byte == b'\n').count();
            // A log that cannot be written has nowhere to say so but here; requests must not fail for it.
            self.dropped.inc_by(u64::try_from(lost).unwrap_or(u64::MAX));
            self.lock().writing = false;
            self.written.notify_all();
        }
    }

    /// Waits for lines or the end, and no longer than until the output wants to be asked.
    fn wait_for_lines(&self, due: Option<Duration>) -> MutexGuard<'_, State> {
        let is_idle = |state: &mut State| state.lines.is_empty() && !state.closed;
        let state = self.lock();
        match due {
            Some(due) => {
                let waited = self.wake.wait_timeout_while(state, due, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.wake.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn flush(&self) {
        self.lock().hurry = true;
        self.wake.notify_one();
        let state = self.lock();
        let pending = |state: &mut State| state.writing || !state.lines.is_empty();
        let (mut state, _) = self
            .written
            .wait_timeout_while(state, LAST_WORDS, pending)
            .unwrap_or_else(PoisonError::into_inner);
        state.hurry = false;
    }
}

/// Writes until all is written, and gives back what is not. An output that is not ready (a terminal or a pipe
/// that somebody else made non-blocking) is asked again.
fn write_patiently<'a>(output: &mut impl Write, mut bytes: &'a [u8]) -> &'a [u8] {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => break,
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::park_timeout(NOT_READY);
            }
            Err(_) => break,
        }
    }
    bytes
}

/// The longest time a line waits.
const INTERVAL: Duration = Duration::from_millis(20);
/// The size at which lines are written at once.
const BLOCK: usize = 256 * 1024;
/// The most that lines take which nobody has read yet.
const MEMORY: usize = 16 * 1024 * 1024;
/// How long the end of the process waits for a reader of its log.
const LAST_WORDS: Duration = Duration::from_secs(1);
const NOT_READY: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes at a time, and none at every second call.
    #[derive(Default)]
    struct Fitful(Vec<u8>, usize);

    impl Write for Fitful {
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
    fn an_output_that_is_not_ready_loses_nothing() {
        let mut output = Fitful::default();

        let rest = write_patiently(&mut output, b"one\ntwo\nthree\n");

        assert_eq!((rest, output.0.as_slice()), (&b""[..], &b"one\ntwo\nthree\n"[..]));
    }

    #[test]
    fn lines_without_room_are_counted_and_hold_nobody_up() {
        let (reader, writer) = io::pipe().unwrap();
        let dropped = counter();
        let writer =
            BlockWriter::start(File::from(std::os::fd::OwnedFd::from(writer)), dropped.clone()).unwrap();
        let mut log = &writer;
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();

        // More than the pipe, the block on its way and the memory together take, and nobody reads.
        for _ in 0..2 * MEMORY / line.len() {
            log.write_all(&line).unwrap();
        }

        assert!(dropped.get() > 0);
        // Nobody reads now either, and the end comes all the same.
        writer.flush_out();
        drop(reader);
    }
}
