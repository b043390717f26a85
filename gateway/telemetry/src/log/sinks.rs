//! Where lines go: always to standard output, to files while that is wanted, and to collectors.

use std::io::{self, Write};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tracing_subscriber::fmt::MakeWriter;

use super::rolling::{FileSettings, RollingFile};
use super::writer::BlockWriter;
use crate::exporter::{ExportSettings, Exporter};
use crate::metrics::Metrics;

/// All of them; clones are the same. A writer of lines that are JSON.
#[derive(Clone, Debug)]
pub(crate) struct Sinks(Arc<Inner>);

/// Those for people and files, which take any text.
#[derive(Clone, Debug)]
pub(crate) struct Printed(Sinks);

/// Those that take JSON only.
#[derive(Clone, Debug)]
pub(crate) struct Collected(Sinks);

/// Who takes log events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Collector {
    Seq,
    Otlp,
}

#[derive(Debug)]
struct Inner {
    stdout: BlockWriter,
    files: ArcSwapOption<Files>,
    seq: ArcSwapOption<Sink>,
    otlp: ArcSwapOption<Sink>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Sink {
    settings: ExportSettings,
    exporter: Arc<Exporter>,
}

#[derive(Debug)]
struct Files {
    settings: FileSettings,
    writer: BlockWriter,
}

// === impl Sinks ===

impl Sinks {
    /// Starts with standard output alone.
    pub(crate) fn start(metrics: &Metrics) -> io::Result<Self> {
        let stdout = BlockWriter::to_stdout(metrics.log_lines_dropped.clone())?;
        let (files, seq, otlp) = (ArcSwapOption::empty(), ArcSwapOption::empty(), ArcSwapOption::empty());
        Ok(Self(Arc::new(Inner { stdout, files, seq, otlp, metrics: metrics.clone() })))
    }

    pub(crate) fn printed(&self) -> Printed {
        Printed(self.clone())
    }

    pub(crate) fn collected(&self) -> Collected {
        Collected(self.clone())
    }

    /// Writes files like these from now on, or none; says whether that is a change.
    pub(crate) fn set_files(&self, settings: Option<FileSettings>) -> io::Result<bool> {
        let known = self.0.files.load();
        if known.as_ref().map(|files| &files.settings) == settings.as_ref() {
            return Ok(false);
        }
        let start = |settings: FileSettings| {
            let dropped = self.0.metrics.log_lines_dropped.clone();
            let writer = BlockWriter::start(RollingFile::open(settings.clone())?, dropped)?;
            Ok::<_, io::Error>(Arc::new(Files { settings, writer }))
        };
        let old = self.0.files.swap(settings.map(start).transpose()?);
        if let Some(old) = old {
            old.writer.close();
        }
        Ok(true)
    }

    /// Sends events to a collector like this from now on, or none; says whether that is a change.
    pub(crate) fn set_collector(
        &self,
        collector: Collector,
        settings: Option<ExportSettings>,
    ) -> io::Result<bool> {
        let place = self.collector(collector);
        let running = place.load_full();
        if running.as_ref().map(|sink| &sink.settings) == settings.as_ref() {
            return Ok(false);
        }
        let next = match (&running, settings) {
            // What waits goes where the rest goes.
            (Some(running), Some(settings)) => {
                running.exporter.change(settings.clone());
                Some(Sink { settings, exporter: Arc::clone(&running.exporter) })
            }
            (None, Some(settings)) => {
                let metrics = self.0.metrics.collector(settings.name);
                let exporter = Arc::new(Exporter::start(settings.clone(), metrics)?);
                Some(Sink { settings, exporter })
            }
            (_, None) => None,
        };
        let ends = next.is_none();
        place.store(next.map(Arc::new));
        if let Some(running) = running.filter(|_| ends) {
            running.exporter.close();
        }
        Ok(true)
    }

    fn collector(&self, collector: Collector) -> &ArcSwapOption<Sink> {
        match collector {
            Collector::Seq => &self.0.seq,
            Collector::Otlp => &self.0.otlp,
        }
    }

    fn print(&self, line: &[u8]) -> io::Result<()> {
        if let Some(files) = &*self.0.files.load() {
            (&files.writer).write_all(line)?;
        }
        (&self.0.stdout).write_all(line)
    }

    fn collect(&self, line: &[u8]) {
        for collector in [&self.0.seq, &self.0.otlp] {
            if let Some(sink) = &*collector.load() {
                sink.exporter.take(line);
            }
        }
    }

    /// Whether anybody takes events.
    pub(crate) fn has_collectors(&self) -> bool {
        self.0.seq.load().is_some() || self.0.otlp.load().is_some()
    }

    /// Writes out what was gathered so far, as long as somebody takes it.
    pub(crate) fn flush_out(&self) {
        for sink in [&self.0.seq, &self.0.otlp].into_iter().filter_map(ArcSwapOption::load_full) {
            let events = sink.exporter.flush_out();
            if events > 0 {
                let collector = sink.settings.name;
                tracing::warn!(
                    collector,
                    events,
                    "log events are lost: their collector did not take them in time"
                );
            }
        }
        self.0.stdout.flush_out();
        if let Some(files) = self.0.files.load_full() {
            files.writer.flush_out();
        }
    }
}

impl Write for &Sinks {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.collect(line);
        self.print(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for &Printed {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.print(text).map(|()| text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for &Collected {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.collect(line);
        Ok(line.len())
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

impl<'a> MakeWriter<'a> for Printed {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl<'a> MakeWriter<'a> for Collected {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}
