//! Log lines are gathered and written in blocks, off the request path.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Takes lines in memory; a thread of its own writes them out at least every [`INTERVAL`].
#[derive(Clone, Debug)]
pub(crate) struct BlockWriter(Arc<Shared>);

/// Writes out what is left when dropped.
#[derive(Debug)]
pub struct FlushGuard(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    output: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    closed: bool,
}

// === impl BlockWriter ===

impl BlockWriter {
    /// Starts the thread that writes to standard output.
    pub(crate) fn start() -> io::Result<(Self, FlushGuard)> {
        let shared = Arc::new(Shared::default());
        let worker = Arc::clone(&shared);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || worker.run())?;
        Ok((Self(Arc::clone(&shared)), FlushGuard(shared)))
    }
}

impl Write for &BlockWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        let first = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        let full = state.lines.len() >= BLOCK;
        drop(state);
        if full {
            self.0.write_out();
        } else if first {
            self.0.wake.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.write_out();
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
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all gathered lines; blocks follow each other in order because the output is locked first.
    fn write_out(&self) {
        let _output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut self.lock().lines);
        if !lines.is_empty() {
            // A log that cannot be written has nowhere to say so; requests must not fail for it.
            let _ = io::stdout().lock().write_all(&lines).and_then(|()| io::stdout().lock().flush());
        }
    }

    fn run(&self) {
        loop {
            let state = self.lock();
            let state = self
                .wake
                .wait_while(state, |state| state.lines.is_empty() && !state.closed)
                .unwrap_or_else(PoisonError::into_inner);
            if state.closed && state.lines.is_empty() {
                return;
            }
            // Gather for a moment: at 30,000 requests a second this is one system call instead of 600.
            let (state, _) = self
                .wake
                .wait_timeout_while(state, INTERVAL, |state| !state.closed)
                .unwrap_or_else(PoisonError::into_inner);
            drop(state);
            self.write_out();
        }
    }
}

// === impl FlushGuard ===

impl FlushGuard {
    /// Writes out what was gathered so far.
    pub fn flush(&self) {
        self.0.write_out();
    }
}

impl Drop for FlushGuard {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_one();
        self.0.write_out();
    }
}

/// The longest time a line waits.
const INTERVAL: Duration = Duration::from_millis(20);
/// The size at which the writing thread of the caller writes at once: a bound of memory.
const BLOCK: usize = 256 * 1024;
