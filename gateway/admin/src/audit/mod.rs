//! The record of what operators change: each change has one before it is made, or it is not made.
//!
//! Records are kept in the event store of the first route that has one; where nothing is stored, in a file of their own.
//! They form a chain ([`chain`]), so that a removed, changed or inserted record shows. A chain cannot show that records
//! are missing at its end; so the number and the hash of each are logged, where a collector of logs keeps them.

pub(crate) mod chain;
mod file;
pub(crate) mod record;
mod verify;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::StatusCode;
use kyc_events::{AuditError, AuditLog};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

pub use file::AuditFile;
use record::Record;
pub use record::{Attempt, Peer};
pub use verify::{Fault, Head, Unended, Verifier};

/// Adds records to the chain.
pub struct Audit {
    log: Arc<dyn AuditLog>,
    /// One record at a time; only other gateways can come in between.
    turn: Mutex<()>,
    /// Those whom nobody knows must not use up what is for those who are known.
    unknown: Bounded,
    known: Bounded,
}

/// Lets through so many records of denied attempts that nobody can fill the store with them.
struct Bounded {
    limiter: DefaultDirectRateLimiter,
    left_out: AtomicU64,
}

/// Whether a record may be stored already, because a try before failed without saying whether it stored the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    First,
    Again,
}

// === impl Audit ===

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl Audit {
    /// Adds records to this log.
    pub fn new(log: Arc<dyn AuditLog>) -> Self {
        Self { log, turn: Mutex::new(()), unknown: Bounded::new(), known: Bounded::new() }
    }

    /// Records that a change is about to be made, and gives the record's number.
    ///
    /// # Errors
    ///
    /// Why it could not be recorded; the change must not be made then.
    pub async fn begin(&self, attempt: &Attempt) -> Result<i64, AuditError> {
        self.add(&Record::begun(attempt)).await
    }

    /// Records what became of a change. A store that fails, as during the failover of a database, is tried again for
    /// [`PAUSES_OF_AN_END`] in a task of its own, which is given back: the answer to an operator does not wait for it, but a
    /// process that ends must.
    pub async fn end(
        self: &Arc<Self>,
        attempt: &Attempt,
        begun: i64,
        status: StatusCode,
        count: Option<u64>,
    ) -> Option<JoinHandle<Result<i64, AuditError>>> {
        let text = match Record::ended(attempt, begun, status, count).to_text() {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, begun, status = status.as_u16(), count, "cannot record the end of a change");
                return None;
            }
        };
        let Err(error) = self.store(&text, Try::First).await else { return None };
        let audit = Arc::clone(self);
        Some(tokio::spawn(async move {
            let mut error = error;
            for pause in PAUSES_OF_AN_END {
                tracing::warn!(%error, begun, "cannot record the end of a change yet; trying again");
                tokio::time::sleep(pause).await;
                match audit.store(&text, Try::Again).await {
                    Ok(seq) => return Ok(seq),
                    Err(latest) => error = latest,
                }
            }
            tracing::error!(%error, begun, status = status.as_u16(), count, "cannot record the end of a change");
            Err(error)
        }))
    }

    /// Records that somebody was refused, unless too many were.
    pub async fn deny(&self, attempt: &Attempt, status: StatusCode) {
        let bounded = if attempt.operator.is_some() { &self.known } else { &self.unknown };
        let Some(left_out) = bounded.pass() else { return };
        if let Err(error) = self.add(&Record::denied(attempt, status, left_out)).await {
            tracing::error!(%error, "cannot record a denied attempt");
        }
    }

    async fn add(&self, record: &Record<'_>) -> Result<i64, AuditError> {
        let text = record.to_text().map_err(|error| AuditError::Failed(error.to_string()))?;
        self.store(&text, Try::First).await
    }

    async fn store(&self, text: &str, attempt: Try) -> Result<i64, AuditError> {
        let _turn = self.turn.lock().await;
        for _ in 0..TRIES {
            let newest = self.log.newest().await?;
            let is_there = newest.as_ref().filter(|newest| attempt == Try::Again && newest.record == text);
            if let Some(entry) = is_there {
                return Ok(entry.seq);
            }
            let entry = chain::next(newest.as_ref(), text.to_owned());
            if self.log.append(&entry).await? {
                tracing::info!(seq = entry.seq, hash = entry.hash, "audit record stored");
                return Ok(entry.seq);
            }
        }
        Err(AuditError::Failed("other gateways add records all the time".to_owned()))
    }
}

// === impl Bounded ===

impl Bounded {
    fn new() -> Self {
        let quota = Quota::with_period(ONE_EVERY).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
        Self { limiter: RateLimiter::direct(quota.allow_burst(BURST)), left_out: AtomicU64::new(0) }
    }

    /// How many were left out since the last one, if this one may be recorded.
    fn pass(&self) -> Option<u64> {
        if self.limiter.check().is_ok() {
            Some(self.left_out.swap(0, Ordering::Relaxed))
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

/// The operations that commands record which open the store themselves.
pub const OFFLINE_OPERATIONS: [&str; 2] = ["events.export", "events.copy"];
/// How often another gateway may be faster.
const TRIES: usize = 100;
/// How long a record "done" or "failed" waits before it is tried again: 47 seconds together.
const PAUSES_OF_AN_END: [Duration; 8] = [
    Duration::from_millis(500),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(8),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// Denied attempts that are recorded: so many at once, and one more in this time. A year of them is less than 500 MB.
const BURST: NonZeroU32 = NonZeroU32::new(30).unwrap();
const ONE_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
