//! What the gateway's log says, with the time at which it was said by the clock that does not jump.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::clock::now_ms;
use super::load::lock;
use crate::Failure;

/// A line that says something about deliveries.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) at: u64,
    pub(super) says: Says,
    /// The tenant's name.
    pub(super) tenant: String,
    /// The event's id.
    pub(super) event: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// An event was delivered.
    Delivered,
    /// A try has failed.
    Failed,
    /// An event was given up or parked.
    Ended,
    /// A tenant's deliveries are held, from now on or still.
    Held,
    /// They are no longer.
    Released,
    /// A process has started.
    Started,
    /// Something else that concerns all events: an end, a jump of the clock, a store that cannot be written to.
    Everybody,
}

/// Reads a log while it is written.
pub(super) struct Follower {
    lines: Arc<Mutex<Vec<Line>>>,
    ended: Arc<AtomicBool>,
    reading: JoinHandle<Result<(), Failure>>,
}

// === impl Follower ===

impl Follower {
    pub(super) fn start(file: PathBuf) -> Self {
        let (lines, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let reading = tokio::spawn(follow(file, Arc::clone(&lines), Arc::clone(&ended)));
        Self { lines, ended, reading }
    }

    /// All lines, once the gateway writes no more.
    pub(super) async fn end(self) -> Result<Vec<Line>, Failure> {
        self.ended.store(true, Ordering::Relaxed);
        self.reading.await.map_err(|error| Failure::from(("the log", error)))??;
        Ok(std::mem::take(&mut *lock(&self.lines)))
    }
}

async fn follow(file: PathBuf, lines: Arc<Mutex<Vec<Line>>>, ended: Arc<AtomicBool>) -> Result<(), Failure> {
    let mut reader = BufReader::new(File::open(file)?);
    let mut text = Vec::new();
    loop {
        // Asked first, so that what is written before the end is read.
        let is_last = ended.load(Ordering::Relaxed);
        let at = now_ms();
        while reader.read_until(b'\n', &mut text)? > 0 {
            if text.ends_with(b"\n") {
                lock(&lines).extend(parse(&text, at));
                text.clear();
            }
        }
        if is_last {
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

fn parse(text: &[u8], at: u64) -> Option<Line> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let says = match field("message").as_str() {
        "event delivered" => Says::Delivered,
        "event not delivered yet" => Says::Failed,
        "event is dead" | "event parked" => Says::Ended,
        "deliveries are held" | "deliveries are still held" => Says::Held,
        "deliveries are resumed: the portal accepts events again" | "deliveries are no longer held" => {
            Says::Released
        }
        message if message.starts_with("listening") => Says::Started,
        message if EVERYBODY.iter().any(|known| message.starts_with(known)) => Says::Everybody,
        _ => return None,
    };
    Some(Line { at, says, tenant: field("tenant"), event: field("event") })
}

const EVERYBODY: [&str; 7] = [
    "draining",
    "drained",
    "the system clock has jumped",
    "the event store did not commit",
    "the event store's writer failed",
    "cannot look for events that are due",
    "deliveries in flight are aborted",
];
const LOOK: Duration = Duration::from_millis(20);
