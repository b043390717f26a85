//! A file that proves which events the portal accepted: each is written, and optionally synced to disk, before the portal
//! answers.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::traffic::Delivery;

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Entry {
    /// The tenant of the login.
    pub tenant: String,
    /// The endpoint of the request.
    pub action: String,
    /// The event, as sent.
    pub event: String,
    /// The gateway's id of the event.
    pub event_id: Option<String>,
    /// The time of acceptance, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Writes entries.
#[derive(Debug)]
pub(super) enum Ledger {
    /// Entries that arrive together are synced together.
    Synced(mpsc::Sender<Waiting>),
    /// Entries are not synced: they survive a crash of the process, but not of the machine.
    Written(Mutex<File>),
}

pub(super) struct Waiting {
    line: Vec<u8>,
    done: oneshot::Sender<io::Result<()>>,
}

/// Reads the entries of a ledger. An incomplete last line after a crash is left out, because its event was not answered.
///
/// # Errors
///
/// When the file cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

// === impl Entry ===

impl From<&Delivery> for Entry {
    fn from(delivery: &Delivery) -> Self {
        let event_id = delivery.headers.get("x-event-id").and_then(|id| id.to_str().ok());
        let at = delivery.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            tenant: delivery.tenant.clone(),
            action: delivery.action.clone(),
            event: String::from_utf8_lossy(&delivery.event).into_owned(),
            event_id: event_id.map(str::to_owned),
            at_ms: at.as_millis().try_into().unwrap_or(u64::MAX),
        }
    }
}

// === impl Ledger ===

impl Ledger {
    /// Opens the file at `path` for appending.
    pub(super) fn open(path: &Path, is_synced: bool) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        if !is_synced {
            return Ok(Self::Written(Mutex::new(file)));
        }
        let (sender, waiting) = mpsc::channel();
        std::thread::Builder::new().name("ledger".to_owned()).spawn(move || write_all(file, &waiting))?;
        Ok(Self::Synced(sender))
    }

    /// Writes an entry. Returns after it is written and, if configured, synced.
    pub(super) async fn write(&self, entry: Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        match self {
            Self::Synced(sender) => {
                let (done, written) = oneshot::channel();
                sender.send(Waiting { line, done }).map_err(io::Error::other)?;
                written.await.map_err(io::Error::other)?
            }
            Self::Written(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line),
        }
    }
}

fn write_all(mut file: File, waiting: &mpsc::Receiver<Waiting>) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<Waiting> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let lines: Vec<u8> = batch.iter().flat_map(|waiting| waiting.line.iter().copied()).collect();
        let result = file.write_all(&lines).and_then(|()| file.sync_data());
        for waiting in batch {
            let result = match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            // The receiver is gone if the portal was dropped; the entry is written all the same.
            let _ = waiting.done.send(result);
        }
    }
}
