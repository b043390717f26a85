//! The audit log in a file, one JSON object per line, for a gateway that stores no events.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use kyc_events::{AuditEntry, AuditError, AuditLog};
use serde::{Deserialize, Serialize};

/// An append-only file. A lock lets only one process append at a time.
#[derive(Clone, Debug)]
pub struct AuditFile(PathBuf);

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
    /// Uses the file at `path`, which is created with the first record.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, AuditError> {
        let path = self.0.clone();
        let failed = |error: io::Error, path: &Path| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => AuditError::Full,
            _ => AuditError::Failed(format!("{}: {error}", path.display())),
        };
        let done = tokio::task::spawn_blocking(move || work(&path).map_err(|error| failed(error, &path)));
        done.await.unwrap_or(Err(AuditError::Unavailable))
    }
}

#[async_trait]
impl AuditLog for AuditFile {
    async fn open(&self) -> Result<(), AuditError> {
        self.work(|path| File::open(path).map(drop)).await
    }

    async fn newest(&self) -> Result<Option<AuditEntry>, AuditError> {
        self.work(|path| match File::open(path) {
            Ok(mut file) => {
                file.lock_shared()?;
                last(&mut file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn append(&self, entry: &AuditEntry) -> Result<bool, AuditError> {
        let entry = entry.clone();
        self.work(move |path| append(path, &entry)).await
    }

    async fn read(&self, after: i64, limit: usize) -> Result<Vec<AuditEntry>, AuditError> {
        self.work(move |path| {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            file.lock_shared()?;
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
            let file = File::open(&self.0)?;
            file.lock_shared()?;
            each(file, |entry| {
                take(entry);
                true
            })
        };
        scan().map_err(|error: io::Error| AuditError::Failed(format!("{}: {error}", self.0.display())))
    }

    // Reads backwards from the end, in one pass: the offset of a record cannot be computed from its number.
    async fn scan_back(
        &self,
        before: Option<i64>,
        take: &mut (dyn FnMut(AuditEntry) -> bool + Send),
    ) -> Result<(), AuditError> {
        let (sender, mut entries) = tokio::sync::mpsc::channel(ENTRIES_AHEAD);
        let reading = self.work(move |path| {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            file.lock_shared()?;
            each_back(&file, |entry| {
                before.is_some_and(|before| entry.seq >= before) || sender.blocking_send(entry).is_ok()
            })
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

fn append(path: &Path, entry: &AuditEntry) -> io::Result<bool> {
    let mut file = open(path)?;
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

/// Opens the file, or creates it with its folder.
fn open(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)?;
    }
    let is_new = !path.exists();
    let file = File::options().read(true).append(true).create(true).mode(0o600).open(path)?;
    if is_new {
        let folder = File::open(folder.unwrap_or(Path::new(".")))?;
        let (owner, own) = (folder.metadata()?, file.metadata()?);
        if own.uid() != owner.uid() {
            // A command that root runs must not keep the gateway from appending. Only root may do this.
            let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
        }
        // The directory entry must survive a power loss, too.
        folder.sync_all()?;
    }
    Ok(file)
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
