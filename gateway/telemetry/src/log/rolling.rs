//! Log files that roll by day and by size, with the names and rules of Serilog's file sink.
//!
//! A new file begins each day (UTC) and whenever the current one reaches its size limit; the oldest files are deleted. FintechOS
//! services log with Serilog, so operators know these names and settings already.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::writer::Output;

/// The settings of the log files, from the `serilog-…` keys of the tenant document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The path without the date: `logs/trace_roll_.log` becomes `logs/trace_roll_20261124.log`, then
    /// `logs/trace_roll_20261124_001.log`.
    pub path: PathBuf,
    /// The size in bytes at which the next file begins. A file can exceed it by its last line.
    pub roll_size: u64,
    /// How many files are kept, including the current one; `None` keeps all.
    pub retained: Option<usize>,
    /// How often written lines are synced to the disk; `None` leaves that to the operating system.
    pub flush: Option<Duration>,
}

/// Writes lines to the current file and rolls to the next one.
#[derive(Debug)]
pub(crate) struct RollingFile {
    settings: FileSettings,
    current: Option<OpenFile>,
    /// When the oldest line was written that is not synced to the disk yet.
    unsynced_since: Option<Instant>,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    size: u64,
    id: FileId,
}

/// The day of a file, as `20261124`, and its number within the day. The number 0 does not appear in the file's name.
///
/// The order of the fields makes `Ord` the order of age, since the days have equal length.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileId {
    day: String,
    number: u32,
}

// === impl RollingFile ===

impl RollingFile {
    /// Opens today's file, so that a folder without write permission is an error now and not at the first line.
    pub(crate) fn open(settings: FileSettings) -> io::Result<Self> {
        let mut log = Self::unopened(settings);
        let mut now = String::new();
        // Writing into a string does not fail.
        let _ = SystemTime.format_time(&mut Writer::new(&mut now));
        if let Some(day) = day_of(now.as_bytes()) {
            log.file_for(&day)?;
        }
        Ok(log)
    }

    fn unopened(settings: FileSettings) -> Self {
        Self { settings, current: None, unsynced_since: None }
    }

    /// The file for a line of this day, rolled when the current one is full. A late line, from before midnight, goes into the
    /// current file: files of past days are closed.
    fn file_for(&mut self, day: &str) -> io::Result<&mut OpenFile> {
        let next = match &self.current {
            Some(current) if *current.id.day < *day => Some(FileId { day: day.to_owned(), number: 0 }),
            Some(current) if current.size >= self.settings.roll_size => {
                Some(FileId { day: current.id.day.clone(), number: current.id.number + 1 })
            }
            Some(_) => None,
            // After a restart the log continues in the newest file of the day.
            None => {
                let newest = self.settings.existing()?.into_iter().rfind(|id| id.day == day);
                Some(newest.unwrap_or(FileId { day: day.to_owned(), number: 0 }))
            }
        };
        if let Some(mut id) = next {
            let mut opened = self.settings.open(&id)?;
            while opened.1 >= self.settings.roll_size {
                id.number += 1;
                opened = self.settings.open(&id)?;
            }
            if self.unsynced_since.is_some() && self.settings.flush.is_some() {
                // A failed sync of the previous file must not stop writes to the new one.
                let _ = self.sync();
            }
            self.settings.remove_oldest(&id);
            self.current = Some(OpenFile { file: opened.0, size: opened.1, id });
        }
        self.current.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.unsynced_since = None;
        self.current.as_ref().map_or(Ok(()), |current| current.file.sync_data())
    }
}

impl Write for RollingFile {
    /// Writes the first line only: each line may belong to another file.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let end = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
        let line = lines.get(..end).unwrap_or_default();
        // A text record can span several lines, and only the first one has the day.
        let current_day = || self.current.as_ref().map(|current| current.id.day.clone());
        let Some(day) = day_of(line).or_else(current_day) else { return Ok(end) };
        let current = self.file_for(&day)?;
        current.file.write_all(line)?;
        current.size += u64::try_from(line.len()).unwrap_or_default();
        self.unsynced_since.get_or_insert_with(Instant::now);
        Ok(end)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync()
    }
}

impl Output for RollingFile {
    fn sync_when_due(&mut self) -> Option<Duration> {
        let interval = self.settings.flush?;
        let waited = self.unsynced_since?.elapsed();
        if waited < interval {
            return Some(interval - waited);
        }
        // A failing disk also fails the next write, which counts its lines as dropped.
        let _ = self.sync();
        None
    }
}

// === impl FileSettings ===

impl FileSettings {
    /// Opens a file for appending. Returns it with its size.
    fn open(&self, id: &FileId) -> io::Result<(File, u64)> {
        // Access lines name callers and tenants, so other users of the machine must not read the files.
        if let Some(folder) = self.folder() {
            DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        }
        let file = File::options().create(true).append(true).mode(0o640).open(self.path_of(id))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    fn folder(&self) -> Option<&Path> {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty())
    }

    /// The part of the name before the date, and the extension with its dot.
    fn stem_and_extension(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let extension = self.path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
        (text(self.path.file_stem()), extension.unwrap_or_default())
    }

    fn path_of(&self, id: &FileId) -> PathBuf {
        let (stem, extension) = self.stem_and_extension();
        let number = if id.number == 0 { String::new() } else { format!("_{:03}", id.number) };
        self.path.with_file_name(format!("{stem}{}{number}{extension}", id.day))
    }

    /// The existing log files, the oldest first.
    fn existing(&self) -> io::Result<Vec<FileId>> {
        let entries = match fs::read_dir(self.folder().unwrap_or(Path::new("."))) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            files.extend(self.parse_name(&entry?.file_name().to_string_lossy()));
        }
        files.sort();
        Ok(files)
    }

    /// The id in a file's name; `None` for a file that is not a log file of these settings.
    fn parse_name(&self, name: &str) -> Option<FileId> {
        let (stem, extension) = self.stem_and_extension();
        let rest = name.strip_prefix(&stem)?.strip_suffix(&extension)?;
        let (day, number) = match rest.split_once('_') {
            Some((day, number)) if number.len() >= 3 => (day, number.parse().ok()?),
            Some(_) => return None,
            None => (rest, 0),
        };
        let is_day = day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
        let id = FileId { day: day.to_owned(), number };
        // The retention deletes these files: accept only a name that `path_of` itself makes.
        (is_day && self.path_of(&id).file_name()?.to_str()? == name).then_some(id)
    }

    /// Removes the oldest files until `retained` are left, never the current one. A file that cannot be removed stays, because
    /// logging must continue.
    fn remove_oldest(&self, current: &FileId) {
        let (Some(retained), Ok(files)) = (self.retained, self.existing()) else { return };
        let excess = files.len().saturating_sub(retained.max(1));
        for file in files.iter().filter(|file| *file != current).take(excess) {
            let _ = fs::remove_file(self.path_of(file));
        }
    }
}

/// The day in the timestamp of a line (UTC). The line belongs to this day's file even when it is written after midnight.
fn day_of(line: &[u8]) -> Option<String> {
    let date = line.strip_prefix(b"{\"timestamp\":\"").unwrap_or(line).get(..10)?;
    let is_date = date.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_date.then(|| date.iter().filter(|byte| **byte != b'-').map(|byte| char::from(*byte)).collect())
}

#[cfg(test)]
mod tests;
