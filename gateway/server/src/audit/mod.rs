//! The record of what operators change: each change has one before it is made, or it is not made.
//!
//! Records are kept in the event store of the first route that has one; where nothing is stored, in a file of their own.
//! They form a chain ([`chain`]), so that a removed, changed or inserted record shows. A chain cannot show that records
//! are missing at its end; so the number and the hash of each are logged, where a collector of logs keeps them.

mod chain;
mod command;
mod file;
mod pages;
mod record;
mod verify;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::StatusCode;
use kyc_plugin_api::{AuditError, AuditLog};
use tokio::sync::Mutex;

pub(crate) use command::AuditCommand;
pub(crate) use file::AuditFile;
pub(crate) use pages::AuditPages;
use record::Record;
pub(crate) use record::{Attempt, FilterError, Peer, filter};

/// Adds records to the chain.
pub(crate) struct Audit {
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

// === impl Audit ===

impl Audit {
    pub(crate) fn new(log: Arc<dyn AuditLog>) -> Self {
        Self { log, turn: Mutex::new(()), unknown: Bounded::new(), known: Bounded::new() }
    }

    /// Records that a change is about to be made, and gives the record's number.
    ///
    /// # Errors
    ///
    /// Why it could not be recorded; the change must not be made then.
    pub(crate) async fn begin(&self, attempt: &Attempt) -> Result<i64, AuditError> {
        self.add(&Record::begun(attempt)).await
    }

    /// Records what became of a change.
    pub(crate) async fn end(&self, attempt: &Attempt, begun: i64, status: StatusCode, count: Option<u64>) {
        let record = Record::ended(attempt, begun, status, count);
        for _ in 0..TRIES_OF_AN_END {
            match self.add(&record).await {
                Ok(_) => return,
                Err(error) => {
                    tracing::error!(%error, begun, status = status.as_u16(), count, "the end of a change is not recorded");
                }
            }
        }
    }

    /// Records that somebody was refused, unless too many were.
    pub(crate) async fn deny(&self, attempt: &Attempt, status: StatusCode) {
        let bounded = if attempt.operator.is_some() { &self.known } else { &self.unknown };
        let Some(left_out) = bounded.pass() else { return };
        if let Err(error) = self.add(&Record::denied(attempt, status, left_out)).await {
            tracing::error!(%error, "a denied attempt is not recorded");
        }
    }

    async fn add(&self, record: &Record<'_>) -> Result<i64, AuditError> {
        let text = record.to_text().map_err(|error| AuditError::Failed(error.to_string()))?;
        let _turn = self.turn.lock().await;
        for _ in 0..TRIES {
            let newest = self.log.newest().await?;
            let entry = chain::next(newest.as_ref(), text.clone());
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

/// How often another gateway may be faster.
const TRIES: usize = 100;
const TRIES_OF_AN_END: usize = 3;
/// Denied attempts that are recorded: so many at once, and one more in this time. A year of them is less than 500 MB.
const BURST: NonZeroU32 = NonZeroU32::new(30).unwrap();
const ONE_EVERY: Duration = Duration::from_secs(60);
