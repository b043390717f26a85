//! Log files as Serilog's file sink leaves them: one for each day, more when one is full, the oldest removed.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::writer::Output;

/// Which files are written, as the tenant document's `serilog-…` keys have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The path without the date: `logs/trace_roll_.log` becomes `logs/trace_roll_20261124.log`, then
    /// `logs/trace_roll_20261124_001.log`.
    pub path: PathBuf,
    /// The size in bytes at which the next file begins; a file is larger by its last line at most.
    pub roll_size: u64,
    /// How many files are kept, the current one included; none keeps all.
    pub retained: Option<usize>,
    /// How often what was written is made durable; none leaves that to the system.
    pub flush: Option<Duration>,
}

/// The files, of which one is open.
#[derive(Debug)]
pub(crate) struct RollingFile {
    settings: FileSettings,
    current: Option<Current>,
    /// When something was written that is not durable yet.
    unsynced: Option<Instant>,
}

#[derive(Debug)]
struct Current {
    file: File,
    size: u64,
    place: Place,
}

/// A day, as `20261124`, and which of its files: 0 has no number in its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    day: String,
    number: u32,
}

// === impl RollingFile ===

impl RollingFile {
    /// Opens today's file, so that a folder that cannot be written to is found out at once.
    pub(crate) fn open(settings: FileSettings) -> io::Result<Self> {
        let mut log = Self::unopened(settings);
        let mut now = String::new();
        // Writing into a string does not fail.
        let _ = SystemTime.format_time(&mut Writer::new(&mut now));
        if let Some(day) = day_of(now.as_bytes()) {
            log.current(&day)?;
        }
        Ok(log)
    }

    fn unopened(settings: FileSettings) -> Self {
        Self { settings, current: None, unsynced: None }
    }

    /// The file for a line of this day, with room for one more. A line that comes late, from before midnight, goes
    /// into the file that is open.
    fn current(&mut self, day: &str) -> io::Result<&mut Current> {
        let next = match &self.current {
            Some(current) if *current.place.day < *day => Some(Place { day: day.to_owned(), number: 0 }),
            Some(current) if current.size >= self.settings.roll_size => {
                Some(Place { day: current.place.day.clone(), number: current.place.number + 1 })
            }
            Some(_) => None,
            // After a restart it goes on where it was.
            None => {
                let last = self.settings.places()?.into_iter().rfind(|place| place.day == day);
                Some(last.unwrap_or(Place { day: day.to_owned(), number: 0 }))
            }
        };
        if let Some(mut place) = next {
            let mut opened = self.settings.open(&place)?;
            while opened.1 >= self.settings.roll_size {
                place.number += 1;
                opened = self.settings.open(&place)?;
            }
            if self.unsynced.is_some() && self.settings.flush.is_some() {
                // The disk's trouble with the file before is no trouble of this one.
                let _ = self.sync();
            }
            self.settings.retire(&place);
            self.current = Some(Current { file: opened.0, size: opened.1, place });
        }
        self.current.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.unsynced = None;
        self.current.as_ref().map_or(Ok(()), |current| current.file.sync_data())
    }
}

impl Write for RollingFile {
    /// Takes the first line.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let end = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |place| place + 1);
        let line = lines.get(..end).unwrap_or_default();
        // A record of several lines, as text has them, has its day in the first one.
        let known = || self.current.as_ref().map(|current| current.place.day.clone());
        let Some(day) = day_of(line).or_else(known) else { return Ok(end) };
        let current = self.current(&day)?;
        current.file.write_all(line)?;
        current.size += u64::try_from(line.len()).unwrap_or_default();
        self.unsynced.get_or_insert_with(Instant::now);
        Ok(end)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync()
    }
}

impl Output for RollingFile {
    fn look(&mut self) -> Option<Duration> {
        let interval = self.settings.flush?;
        let waited = self.unsynced?.elapsed();
        if waited < interval {
            return Some(interval - waited);
        }
        // A disk that is in trouble is found out by the next line.
        let _ = self.sync();
        None
    }
}

// === impl FileSettings ===

impl FileSettings {
    fn open(&self, place: &Place) -> io::Result<(File, u64)> {
        if let Some(folder) = self.folder() {
            DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        }
        let file = File::options().create(true).append(true).mode(0o640).open(self.path_of(place))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    fn folder(&self) -> Option<&Path> {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty())
    }

    /// The name before the date, and the ending after it.
    fn ends(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let ending = self.path.extension().map(|ending| format!(".{}", ending.to_string_lossy()));
        (text(self.path.file_stem()), ending.unwrap_or_default())
    }

    fn path_of(&self, place: &Place) -> PathBuf {
        let (stem, ending) = self.ends();
        let number = if place.number == 0 { String::new() } else { format!("_{:03}", place.number) };
        self.path.with_file_name(format!("{stem}{}{number}{ending}", place.day))
    }

    /// The files that are there, the oldest first.
    fn places(&self) -> io::Result<Vec<Place>> {
        let entries = match fs::read_dir(self.folder().unwrap_or(Path::new("."))) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut places = Vec::new();
        for entry in entries {
            places.extend(self.place_of(&entry?.file_name().to_string_lossy()));
        }
        places.sort();
        Ok(places)
    }

    fn place_of(&self, name: &str) -> Option<Place> {
        let (stem, ending) = self.ends();
        let rest = name.strip_prefix(&stem)?.strip_suffix(&ending)?;
        let (day, number) = match rest.split_once('_') {
            Some((day, number)) if number.len() >= 3 => (day, number.parse().ok()?),
            Some(_) => return None,
            None => (rest, 0),
        };
        let is_day = day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
        let place = Place { day: day.to_owned(), number };
        // Only what would be written under this very name is one of ours.
        (is_day && self.path_of(&place).file_name()?.to_str()? == name).then_some(place)
    }

    /// Removes what is too much, the oldest first, but never the current one. What cannot be removed stays: the log
    /// goes on.
    fn retire(&self, current: &Place) {
        let (Some(retained), Ok(places)) = (self.retained, self.places()) else { return };
        let too_many = places.len().saturating_sub(retained.max(1));
        for place in places.iter().filter(|place| *place != current).take(too_many) {
            let _ = fs::remove_file(self.path_of(place));
        }
    }
}

/// The day that a line names, which is where it belongs even if it is written a moment after midnight (UTC).
fn day_of(line: &[u8]) -> Option<String> {
    let date = line.strip_prefix(b"{\"timestamp\":\"").unwrap_or(line).get(..10)?;
    let is_date = date.iter().enumerate().all(|(place, byte)| match place {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_date.then(|| date.iter().filter(|byte| **byte != b'-').map(|byte| char::from(*byte)).collect())
}

#[cfg(test)]
mod tests;
