//! The audit log of operators' changes. A change is recorded before it is made; without the record it is not made.
//!
//! Records are stored in the event store, or in a file when no route has a store. They form a hash chain ([`chain`]), so that a
//! removed, changed or inserted record is detected. A chain cannot show that records are missing at its end; so the number and
//! the hash of each record are logged, where a log collector keeps them.

pub(crate) mod chain;
mod file;
mod offline;
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
pub use offline::OfflineOperation;
use record::Record;
pub use record::{Attempt, Peer};
pub use verify::{Fault, Head, Unended, Verifier};

/// Appends records to the chain.
pub struct Audit {
    log: Arc<dyn AuditLog>,
    /// Serializes the appends of this process. Other gateways on the same store are detected by the chain.
    append_lock: Mutex<()>,
    /// Separate budgets, so that unauthenticated requests cannot use up the budget of authenticated operators.
    unknown: DenialLimit,
    known: DenialLimit,
}

/// Limits the records of denied attempts, so that an attacker cannot fill the store with them.
struct DenialLimit {
    limiter: DefaultDirectRateLimiter,
    suppressed: AtomicU64,
}

/// Whether a record may be stored already, because an earlier try failed with an unknown result.
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
    /// Creates an audit that appends to this log.
    pub fn new(log: Arc<dyn AuditLog>) -> Self {
        Self { log, append_lock: Mutex::new(()), unknown: DenialLimit::new(), known: DenialLimit::new() }
    }

    /// Records that a change is about to be made, and returns the record's number.
    ///
    /// # Errors
    ///
    /// [`AuditError`] when the record cannot be stored; then the change must not be made.
    pub async fn begin(&self, attempt: &Attempt) -> Result<i64, AuditError> {
        self.add(&Record::begun(attempt)).await
    }

    /// Records the result of a change. When the store fails, as during a database failover, a background task retries for
    /// 47 seconds and is returned: the operator's answer does not wait for it, but a process that exits must.
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
            for pause in END_RETRY_DELAYS {
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

    /// Records a denied attempt, within the limits.
    pub async fn deny(&self, attempt: &Attempt, status: StatusCode) {
        let bounded = if attempt.operator.is_some() { &self.known } else { &self.unknown };
        let Some(suppressed) = bounded.pass() else { return };
        if let Err(error) = self.add(&Record::denied(attempt, status, suppressed)).await {
            tracing::error!(%error, "cannot record a denied attempt");
        }
    }

    async fn add(&self, record: &Record<'_>) -> Result<i64, AuditError> {
        let text = record.to_text().map_err(|error| AuditError::Failed(error.to_string()))?;
        self.store(&text, Try::First).await
    }

    async fn store(&self, text: &str, attempt: Try) -> Result<i64, AuditError> {
        let _locked = self.append_lock.lock().await;
        for _ in 0..APPEND_TRIES {
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
        Err(AuditError::Failed("other gateways append records too often".to_owned()))
    }
}

// === impl DenialLimit ===

impl DenialLimit {
    fn new() -> Self {
        let quota = Quota::with_period(REFILL_PERIOD).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
        Self { limiter: RateLimiter::direct(quota.allow_burst(BURST)), suppressed: AtomicU64::new(0) }
    }

    /// Returns how many records were suppressed since the last one; `None` if this one is suppressed, too.
    fn pass(&self) -> Option<u64> {
        if self.limiter.check().is_ok() {
            Some(self.suppressed.swap(0, Ordering::Relaxed))
        } else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

/// How often an append is retried because another gateway appended first.
const APPEND_TRIES: usize = 100;
/// The delays between retries of a record "done" or "failed": 47 seconds in total.
const END_RETRY_DELAYS: [Duration; 8] = [
    Duration::from_millis(500),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(8),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// The rate of recorded denied attempts: a burst, then one per period. A year of them is less than 500 MB.
const BURST: NonZeroU32 = NonZeroU32::new(30).unwrap();
const REFILL_PERIOD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
