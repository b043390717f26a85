//! The audit log in a file, one JSON object per line, for a gateway that stores no events.

mod opening;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use kyc_events::{AuditEntry, AuditError, AuditLog};
use serde::{Deserialize, Serialize};

use opening::{FileError, open, open_or_create};

/// An append-only file. A lock lets only one process append at a time.
#[derive(Clone, Debug)]
pub struct AuditFile {
    path: PathBuf,
    when_absent: WhenAbsent,
}

/// What an append does without a file.
#[derive(Clone, Copy, Debug)]
enum WhenAbsent {
    Create,
    Refuse,
}

/// An entry in the form of a line.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seq: i64,
    previous: String,
    record: String,
    hash: String,
}

// === impl AuditFile ===

impl AuditFile {
    /// Uses the file at `path`; the first record creates it, unless [`AuditFile::create`] has done so.
    pub fn new(path: PathBuf) -> Self {
        Self { path, when_absent: WhenAbsent::Create }
    }

    /// Uses the file at `path` that a gateway has created. A command on another machine, which has only the configuration, must not
    /// begin a chain that nobody looks at.
    pub fn existing(path: PathBuf) -> Self {
        Self { path, when_absent: WhenAbsent::Refuse }
    }

    /// Creates the file with its folder, if it is absent. Blocks.
    ///
    /// # Errors
    ///
    /// [`AuditError::Failed`] if it cannot be created or opened.
    pub fn create(&self) -> Result<(), AuditError> {
        open_or_create(&self.path).map(drop).map_err(|error| error.at(&self.path))
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, AuditError> {
        let path = self.path.clone();
        let done = tokio::task::spawn_blocking(move || work(&path).map_err(|error| error.at(&path)));
        done.await.unwrap_or(Err(AuditError::Unavailable))
    }
}

#[async_trait]
impl AuditLog for AuditFile {
    async fn open(&self) -> Result<(), AuditError> {
        self.work(|path| match File::open(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FileError::Absent),
            Err(error) => Err(error.into()),
        })
        .await
    }

    async fn newest(&self) -> Result<Option<AuditEntry>, AuditError> {
        self.work(|path| match open_to_read(path)? {
            Some(mut file) => Ok(last(&mut file)?),
            None => Ok(None),
        })
        .await
    }

    async fn append(&self, entry: &AuditEntry) -> Result<bool, AuditError> {
        let (entry, when_absent) = (entry.clone(), self.when_absent);
        self.work(move |path| {
            let file = match when_absent {
                WhenAbsent::Create => open_or_create(path)?,
                WhenAbsent::Refuse => open(path)?,
            };
            Ok(append(file, &entry)?)
        })
        .await
    }

    async fn read(&self, after: i64, limit: usize) -> Result<Vec<AuditEntry>, AuditError> {
        self.work(move |path| {
            let Some(file) = open_to_read(path)? else { return Ok(Vec::new()) };
            let mut entries = Vec::new();
            each(file, |entry| {
                if entry.seq > after {
                    entries.push(entry);
                }
                entries.len() < limit
            })?;
            Ok(entries)
        })
        .await
    }

    // The lines of a file need not be in order, so all of them are read in one pass.
    async fn scan(&self, take: &mut (dyn FnMut(AuditEntry) + Send)) -> Result<(), AuditError> {
        let mut scan = || {
            let file = File::open(&self.path)?;
            file.lock_shared()?;
            each(file, |entry| {
                take(entry);
                true
            })
        };
        scan().map_err(|error: io::Error| AuditError::Failed(format!("{}: {error}", self.path.display())))
    }

    // Reads backwards from the end, in one pass: the offset of a record cannot be computed from its number.
    async fn scan_back(
        &self,
        before: Option<i64>,
        take: &mut (dyn FnMut(AuditEntry) -> bool + Send),
    ) -> Result<(), AuditError> {
        let (sender, mut entries) = tokio::sync::mpsc::channel(ENTRIES_AHEAD);
        let reading = self.work(move |path| {
            let Some(file) = open_to_read(path)? else { return Ok(()) };
            Ok(each_back(&file, |entry| {
                before.is_some_and(|before| entry.seq >= before) || sender.blocking_send(entry).is_ok()
            })?)
        });
        let taking = async {
            while let Some(entry) = entries.recv().await {
                if !take(entry) {
                    // The reader ends because the channel is closed; the entries that it has read ahead are dropped.
                    return entries.close();
                }
            }
        };
        tokio::join!(reading, taking).0
    }
}

/// Opens the file to read it, while nobody appends; `None` without a file.
fn open_to_read(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => file.lock_shared().map(|()| Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn append(mut file: File, entry: &AuditEntry) -> io::Result<bool> {
    // The system releases the lock when the file is closed.
    file.lock()?;
    truncate_incomplete_line(&file)?;
    if last(&mut file)?.map_or(0, |newest| newest.seq) != entry.seq - 1 {
        return Ok(false);
    }
    let line = Line {
        seq: entry.seq,
        previous: entry.previous.clone(),
        record: entry.record.clone(),
        hash: entry.hash.clone(),
    };
    let line = format!("{}\n", serde_json::to_string(&line).map_err(io::Error::other)?);
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    Ok(true)
}

/// Removes an incomplete last line: the process ended during the write, so it never confirmed the record.
fn truncate_incomplete_line(file: &File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let whole = start_of_last_line(file, length)?;
    if whole < length && !ends_line(file, length)? {
        tracing::warn!(bytes = length - whole, "an unfinished audit record is cut off");
        file.set_len(whole)?;
    }
    Ok(())
}

/// Reads the last complete entry.
fn last(file: &mut File) -> io::Result<Option<AuditEntry>> {
    let mut length = file.metadata()?.len();
    if length > 0 && !ends_line(file, length)? {
        length = start_of_last_line(file, length)?;
    }
    let Some(end) = length.checked_sub(1) else { return Ok(None) };
    let start = start_of_last_line(file, end)?;
    let mut line = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    Read::by_ref(file).take(end - start).read_to_end(&mut line)?;
    parse(&line).map(Some)
}

/// Returns the offset after the last line end before `end`.
fn start_of_last_line(file: &File, end: u64) -> io::Result<u64> {
    let mut until = end;
    let mut block = vec![0; BLOCK];
    while until > 0 {
        let from = until.saturating_sub(BLOCK as u64);
        let part = block.get_mut(..usize::try_from(until - from).unwrap_or(BLOCK)).unwrap_or_default();
        file.read_exact_at(part, from)?;
        if let Some(place) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + place as u64 + 1);
        }
        until = from;
    }
    Ok(0)
}

fn ends_line(file: &File, length: u64) -> io::Result<bool> {
    let mut byte = [0];
    match length.checked_sub(1) {
        Some(place) => file.read_exact_at(&mut byte, place).map(|()| byte == *b"\n"),
        None => Ok(true),
    }
}

/// Passes the entries to `take`, first to last, until it returns `false`.
fn each(file: File, mut take: impl FnMut(AuditEntry) -> bool) -> io::Result<()> {
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        // A line without a line end is incomplete.
        let Some(whole) = line.strip_suffix(b"\n") else { return Ok(()) };
        if !take(parse(whole)?) {
            return Ok(());
        }
    }
}

/// Passes the entries to `take`, last to first, until it returns `false`.
fn each_back(file: &File, mut take: impl FnMut(AuditEntry) -> bool) -> io::Result<()> {
    let length = file.metadata()?.len();
    // A line without a line end is incomplete.
    let mut from = if ends_line(file, length)? { length } else { start_of_last_line(file, length)? };
    let mut bytes = Vec::new();
    loop {
        // All lines that begin in these bytes.
        while let Some(whole) = bytes.strip_suffix(b"\n") {
            let start = match whole.iter().rposition(|byte| *byte == b'\n') {
                Some(place) => place + 1,
                None if from == 0 => 0,
                None => break,
            };
            if !take(parse(whole.get(start..).unwrap_or_default())?) {
                return Ok(());
            }
            bytes.truncate(start);
        }
        if from == 0 {
            return Ok(());
        }
        let size = from.min(BLOCK as u64);
        from -= size;
        let mut earlier = vec![0; usize::try_from(size).unwrap_or(BLOCK)];
        file.read_exact_at(&mut earlier, from)?;
        earlier.extend_from_slice(&bytes);
        bytes = earlier;
    }
}

fn parse(line: &[u8]) -> io::Result<AuditEntry> {
    let Line { seq, previous, record, hash } = serde_json::from_slice(line).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("a line is no entry: {error}"))
    })?;
    Ok(AuditEntry { seq, previous, record, hash })
}

const BLOCK: usize = 8192;
/// How many entries are read ahead of the consumer.
const ENTRIES_AHEAD: usize = 256;

#[cfg(test)]
mod tests;
