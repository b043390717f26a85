//! The sinks of the log: standard output always, files and collectors while they are configured.

use std::io::{self, Write};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tracing_subscriber::fmt::MakeWriter;

use super::rolling::{FileSettings, RollingFile};
use super::writer::BlockWriter;
use crate::exporter::{ExportSettings, Exporter};
use crate::metrics::Metrics;

/// All sinks, as a writer of JSON lines. Cloning shares the sinks.
#[derive(Clone, Debug)]
pub(crate) struct Sinks(Arc<Inner>);

/// Standard output and files, which accept text and JSON.
#[derive(Clone, Debug)]
pub(crate) struct TextSinks(Sinks);

/// Standard output or files alone, which differ in colours.
#[derive(Clone, Debug)]
pub(crate) struct OneSink(Sinks, TextSink);

#[derive(Clone, Copy, Debug)]
enum TextSink {
    Stdout,
    Files,
}

/// The collectors, which accept JSON only.
#[derive(Clone, Debug)]
pub(crate) struct CollectorSinks(Sinks);

/// A collector of log events.
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
    /// Starts with standard output only.
    pub(crate) fn start(metrics: &Metrics) -> io::Result<Self> {
        let stdout = BlockWriter::to_stdout(metrics.log_lines_dropped.clone())?;
        let (files, seq, otlp) = (ArcSwapOption::empty(), ArcSwapOption::empty(), ArcSwapOption::empty());
        Ok(Self(Arc::new(Inner { stdout, files, seq, otlp, metrics: metrics.clone() })))
    }

    pub(crate) fn text_sinks(&self) -> TextSinks {
        TextSinks(self.clone())
    }

    pub(crate) fn stdout_sinks(&self) -> OneSink {
        OneSink(self.clone(), TextSink::Stdout)
    }

    pub(crate) fn file_sinks(&self) -> OneSink {
        OneSink(self.clone(), TextSink::Files)
    }

    pub(crate) fn collector_sinks(&self) -> CollectorSinks {
        CollectorSinks(self.clone())
    }

    /// Replaces the log files by those of `settings`; `None` stops writing files. Returns whether the settings changed.
    pub(crate) fn set_files(&self, settings: Option<FileSettings>) -> io::Result<bool> {
        let running = self.0.files.load();
        if running.as_ref().map(|files| &files.settings) == settings.as_ref() {
            return Ok(false);
        }
        let start = |settings: FileSettings| {
            let dropped = self.0.metrics.log_lines_dropped.clone();
            let writer = BlockWriter::start(RollingFile::open(settings.clone())?, dropped)?;
            Ok::<_, io::Error>(Arc::new(Files { settings, writer }))
        };
        // The new file is opened before the old writer closes, so that after an error the old files stay in use.
        let old = self.0.files.swap(settings.map(start).transpose()?);
        if let Some(old) = old {
            old.writer.close();
        }
        Ok(true)
    }

    /// Sends events to the collector of `settings`; `None` stops the export. Returns whether the settings changed.
    pub(crate) fn set_collector(
        &self,
        collector: Collector,
        settings: Option<ExportSettings>,
    ) -> io::Result<bool> {
        let slot = self.collector(collector);
        let running = slot.load_full();
        if running.as_ref().map(|sink| &sink.settings) == settings.as_ref() {
            return Ok(false);
        }
        let next = match (&running, settings) {
            // Queued events also go to the new collector.
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
        slot.store(next.map(Arc::new));
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

    fn write_text(&self, line: &[u8]) -> io::Result<()> {
        self.write_files(line)?;
        (&self.0.stdout).write_all(line)
    }

    fn write_files(&self, line: &[u8]) -> io::Result<()> {
        match &*self.0.files.load() {
            Some(files) => (&files.writer).write_all(line),
            None => Ok(()),
        }
    }

    fn export(&self, line: &[u8]) {
        for collector in [&self.0.seq, &self.0.otlp] {
            if let Some(sink) = &*collector.load() {
                sink.exporter.push(line);
            }
        }
    }

    /// Whether a collector is configured.
    pub(crate) fn has_collectors(&self) -> bool {
        self.0.seq.load().is_some() || self.0.otlp.load().is_some()
    }

    /// Exports queued events and writes buffered lines. Waits at most a second for each sink.
    pub(crate) fn flush_all(&self) {
        // Collectors first: the warning below is a line of its own, which standard output and the files get.
        for sink in [&self.0.seq, &self.0.otlp].into_iter().filter_map(ArcSwapOption::load_full) {
            let events = sink.exporter.wait_until_sent();
            if events > 0 {
                let collector = sink.settings.name;
                tracing::warn!(
                    collector,
                    events,
                    "log events lost: the collector did not accept them in time"
                );
            }
        }
        self.0.stdout.wait_until_written();
        if let Some(files) = self.0.files.load_full() {
            files.writer.wait_until_written();
        }
    }
}

impl Write for &Sinks {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.export(line);
        self.write_text(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for &TextSinks {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write_text(text).map(|()| text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for &OneSink {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let OneSink(sinks, sink) = self;
        match sink {
            TextSink::Stdout => (&sinks.0.stdout).write_all(text),
            TextSink::Files => sinks.write_files(text),
        }
        .map(|()| text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for &CollectorSinks {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.export(line);
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

impl<'a> MakeWriter<'a> for TextSinks {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl<'a> MakeWriter<'a> for OneSink {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl<'a> MakeWriter<'a> for CollectorSinks {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}
