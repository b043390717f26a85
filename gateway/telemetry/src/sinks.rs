//! Where lines go: always to standard output, and to files while that is wanted.

use std::io::{self, Write};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

use crate::rolling::{FileSettings, RollingFile};
use crate::writer::BlockWriter;

/// All of them; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Sinks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stdout: BlockWriter,
    files: ArcSwapOption<Files>,
    dropped: IntCounter,
}

#[derive(Debug)]
struct Files {
    settings: FileSettings,
    writer: BlockWriter,
}

// === impl Sinks ===

impl Sinks {
    /// Starts with standard output alone.
    pub(crate) fn start(dropped: IntCounter) -> io::Result<Self> {
        let stdout = BlockWriter::to_stdout(dropped.clone())?;
        Ok(Self(Arc::new(Inner { stdout, files: ArcSwapOption::empty(), dropped })))
    }

    /// Writes files like these from now on, or none; says whether that is a change.
    pub(crate) fn set_files(&self, settings: Option<FileSettings>) -> io::Result<bool> {
        let known = self.0.files.load();
        if known.as_ref().map(|files| &files.settings) == settings.as_ref() {
            return Ok(false);
        }
        let start = |settings: FileSettings| {
            let writer = BlockWriter::start(RollingFile::open(settings.clone())?, self.0.dropped.clone())?;
            Ok::<_, io::Error>(Arc::new(Files { settings, writer }))
        };
        let old = self.0.files.swap(settings.map(start).transpose()?);
        if let Some(old) = old {
            old.writer.close();
        }
        Ok(true)
    }

    /// Writes out what was gathered so far, as long as somebody takes it.
    pub(crate) fn flush_out(&self) {
        self.0.stdout.flush_out();
        if let Some(files) = self.0.files.load_full() {
            files.writer.flush_out();
        }
    }
}

impl Write for &Sinks {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(files) = &*self.0.files.load() {
            (&files.writer).write_all(line)?;
        }
        (&self.0.stdout).write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sinks {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}
