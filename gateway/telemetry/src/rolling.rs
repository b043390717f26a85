//! Log files as Serilog's file sink leaves them: one for each day, more when one is full, the oldest removed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::writer::Output;

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
    /// Opens nothing yet.
    pub(crate) fn new(settings: FileSettings) -> Self {
        Self { settings, current: None, unsynced: None }
    }

    /// The file for a line of this day, with room for one more.
    fn current(&mut self, day: &str) -> io::Result<&mut Current> {
        let next = match &self.current {
            Some(current) if current.place.day != day => Some(Place { day: day.to_owned(), number: 0 }),
            Some(current) if current.size >= self.settings.roll_size => {
                Some(Place { day: day.to_owned(), number: current.place.number + 1 })
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
            self.settings.retire()?;
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
        let current = self.current(&day_of(line))?;
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
            fs::create_dir_all(folder)?;
        }
        let file = File::options().create(true).append(true).open(self.path_of(place))?;
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
        is_day.then(|| Place { day: day.to_owned(), number })
    }

    /// Removes what is too much, the oldest first.
    fn retire(&self) -> io::Result<()> {
        let Some(retained) = self.retained else { return Ok(()) };
        let places = self.places()?;
        for place in places.iter().take(places.len().saturating_sub(retained.max(1))) {
            fs::remove_file(self.path_of(place))?;
        }
        Ok(())
    }
}

/// The day that a line names, which is where it belongs even if it is written a moment after midnight (UTC).
fn day_of(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line.get(..40.min(line.len())).unwrap_or_default());
    let date = text.strip_prefix("{\"timestamp\":\"").unwrap_or(&text);
    date.chars().take(10).filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &Path, roll_size: u64, retained: Option<usize>) -> FileSettings {
        FileSettings { path: folder.join("logs/trace_roll_.log"), roll_size, retained, flush: None }
    }

    fn line(day: u32, number: usize) -> Vec<u8> {
        format!("{{\"timestamp\":\"2026-11-{day:02}T23:59:59.999999Z\",\"n\":{number:05}}}\n").into_bytes()
    }

    /// Names and sizes of the files.
    fn files(folder: &Path) -> Vec<(String, u64)> {
        let mut found: Vec<_> = fs::read_dir(folder.join("logs"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
            .collect();
        found.sort();
        found
    }

    #[test]
    fn files_roll_by_day_and_by_size_and_go_on_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let size = u64::try_from(line(24, 0).len()).unwrap();
        let settings = settings(folder.path(), size * 3, Some(31));
        let mut log = RollingFile::new(settings.clone());

        (0..7).for_each(|number| log.write_all(&line(24, number)).unwrap());
        drop(log);
        let mut log = RollingFile::new(settings);
        (7..10).for_each(|number| log.write_all(&line(24, number)).unwrap());
        // One block with midnight in it.
        log.write_all(&[line(24, 10), line(25, 11)].concat()).unwrap();

        let expected = [
            ("trace_roll_20261124.log", 3),
            ("trace_roll_20261124_001.log", 3),
            ("trace_roll_20261124_002.log", 3),
            ("trace_roll_20261124_003.log", 2),
            ("trace_roll_20261125.log", 1),
        ];
        assert_eq!(files(folder.path()), expected.map(|(name, lines)| (name.to_owned(), lines * size)));
        let text = fs::read_to_string(folder.path().join("logs/trace_roll_20261124_002.log")).unwrap();
        assert!(text.contains("00006") && text.contains("00007") && text.contains("00008"), "{text}");
    }

    #[test]
    fn the_oldest_files_leave_and_strangers_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        for stranger in
            ["trace_roll_.log", "trace_roll_2026112.log", "trace_roll_20261101_1.log", "other.log"]
        {
            fs::write(folder.path().join("logs").join(stranger), "").unwrap();
        }
        let mut log = RollingFile::new(settings(folder.path(), 10, Some(2)));

        for day in [1, 2, 3] {
            (0..2).for_each(|number| log.write_all(&line(day, number)).unwrap());
        }

        let names: Vec<_> = files(folder.path()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "other.log",
                "trace_roll_.log",
                "trace_roll_20261101_1.log",
                "trace_roll_20261103.log",
                "trace_roll_20261103_001.log",
                "trace_roll_2026112.log",
            ]
        );
    }
}
