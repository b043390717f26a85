//! The interface of a store of audit records: one record for each change that an operator makes.
//!
//! The records form one hash chain: each entry holds the hash of the entry before, so that a removed, changed or inserted
//! entry is detected. The gateway builds the chain; the event store keeps it, because gateways that share a database
//! then share one chain. [`AuditLog::append`] needs no transaction for that: it adds an entry only if its number is
//! the next one.

use async_trait::async_trait;

/// One entry of the chain, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number: 1 for the first, and one more than the entry before.
    pub seq: i64,
    /// The hash of the entry before, in hexadecimal; 64 zeros in the first.
    pub previous: String,
    /// The record: a JSON object as text. The hash is over this text as it is stored.
    pub record: String,
    /// SHA-256 over `previous` and `record`, one after the other, in hexadecimal.
    pub hash: String,
}

/// Why the chain cannot be read or extended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The store is not open, or a call of it timed out.
    #[error("the audit store is not open or did not answer in time")]
    Unavailable,
    /// The store has reached its size limit.
    #[error("the audit store is full")]
    Full,
    /// Another error of the store; the text holds no secret.
    #[error("the audit store failed: {0}")]
    Failed(String),
}

/// A durable store for one chain of audit records.
#[async_trait]
pub trait AuditLog: Send + Sync + 'static {
    /// Opens an existing store for the command line, without a running gateway.
    ///
    /// # Errors
    ///
    /// [`AuditError`] when the store does not exist or cannot be read.
    async fn open(&self) -> Result<(), AuditError>;

    /// The newest entry; `None` when the chain is empty.
    ///
    /// # Errors
    ///
    /// [`AuditError`].
    async fn newest(&self) -> Result<Option<AuditEntry>, AuditError>;

    /// Adds an entry if its number is the next one, and returns `true` once it is durable. Returns `false`, and changes
    /// nothing, when another gateway has added an entry with that number.
    ///
    /// # Errors
    ///
    /// [`AuditError`]; after a timeout or a lost connection the entry may have been added.
    async fn append(&self, entry: &AuditEntry) -> Result<bool, AuditError>;

    /// The first `limit` entries with a higher number than `after`, in order.
    ///
    /// # Errors
    ///
    /// [`AuditError`].
    async fn read(&self, after: i64, limit: usize) -> Result<Vec<AuditEntry>, AuditError>;

    /// Calls `take` with every entry, oldest first.
    ///
    /// # Errors
    ///
    /// [`AuditError`].
    async fn scan(&self, take: &mut (dyn FnMut(AuditEntry) + Send)) -> Result<(), AuditError> {
        let mut after = 0;
        loop {
            let page = self.read(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.seq;
            for entry in page {
                take(entry);
            }
        }
    }

    /// Calls `take` with the entries, newest first, until it returns `false`. `before` leaves out the entries from that
    /// number on.
    ///
    /// # Errors
    ///
    /// [`AuditError`].
    async fn scan_back(
        &self,
        before: Option<i64>,
        take: &mut (dyn FnMut(AuditEntry) -> bool + Send),
    ) -> Result<(), AuditError> {
        let mut end = match before {
            Some(before) => before,
            None => self.newest().await?.map_or(1, |newest| newest.seq.saturating_add(1)),
        };
        while end > 1 {
            let after = (end - 1 - i64::try_from(PAGE).unwrap_or_default()).max(0);
            let page = self.read(after, usize::try_from(end - 1 - after).unwrap_or(PAGE)).await?;
            for entry in page.into_iter().rev().filter(|entry| entry.seq < end) {
                if !take(entry) {
                    return Ok(());
                }
            }
            end = after + 1;
        }
        Ok(())
    }
}

/// Entries per read.
const PAGE: usize = 500;
