//! Times in which the machine did nothing, as shared ones do: what waits or breaks then says nothing of the gateway.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::clock::now_ms;
use super::load::lock;

/// From when to when, in milliseconds since the Unix epoch.
pub(super) type Span = (u64, u64);

/// Times in which this process was not run.
#[derive(Clone, Debug, Default)]
pub(super) struct Stalls(Arc<Mutex<Vec<Span>>>);

// === impl Stalls ===

impl Stalls {
    /// Begins to watch, until the task is aborted.
    pub(super) fn watch(&self) -> JoinHandle<()> {
        let stalls = self.clone();
        tokio::spawn(async move {
            loop {
                let before = now_ms();
                sleep(LOOK).await;
                let now = now_ms();
                if now.saturating_sub(before) > STALL {
                    lock(&stalls.0).push((before, now));
                }
            }
        })
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = Span> + use<> {
        lock(&self.0).clone().into_iter()
    }

    /// The longest one, in milliseconds.
    pub(super) fn longest(&self) -> u64 {
        self.spans().map(|(from, to)| to - from).max().unwrap_or_default()
    }

    /// Says whether a try that was under way at this time may have ended too late.
    pub(super) fn concern(&self, at: u64) -> bool {
        self.spans().any(|(from, to)| at + NEAR > from && at < to + NEAR)
    }
}

const LOOK: Duration = Duration::from_millis(50);
/// Milliseconds that are too many.
const STALL: u64 = 500;
/// A try's length, in milliseconds, and some.
const NEAR: u64 = 3_500;
