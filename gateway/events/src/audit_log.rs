//! Where the record of each change that an operator makes is kept.
//!
//! The records are one chain: each entry holds the hash of the one before, so that a removed, changed or inserted entry
//! shows. The gateway builds the chain; a plugin that has a durable store keeps it there, because a chain in a database
//! that several gateways share is one chain for all of them. [`AuditLog::append`] makes that possible without a
//! transaction: an entry is added only when its number is the next one.

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

/// Why the chain cannot be read or added to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The store is not open, or does not answer in time.
    #[error("the audit store does not answer")]
    Away,
    /// The store has no room.
    #[error("the audit store is full")]
    Full,
    /// The store fails in another way; the text holds no secret.
    #[error("the audit store failed: {0}")]
    Failed(String),
}

/// A durable place for one chain of records.
#[async_trait]
pub trait AuditLog: Send + Sync + 'static {
    /// Opens the store without a gateway, for a command line that reads it; it must be there already.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    async fn open(&self) -> Result<(), AuditError>;

    /// The newest entry; `None` while there is none.
    ///
    /// # Errors
    ///
    /// [`AuditError`].
    async fn newest(&self) -> Result<Option<AuditEntry>, AuditError>;

    /// Adds an entry if its number is the next one, and returns when it is durable. `false`: another gateway has added
    /// one in the meantime, and nothing was changed.
    ///
    /// # Errors
    ///
    /// [`AuditError`]; whether the entry was added is not known then.
    async fn append(&self, entry: &AuditEntry) -> Result<bool, AuditError>;

    /// The first `limit` entries with a higher number than `after`, in order.
    ///
    /// # Errors
    ///
    /// [`AuditError`].
    async fn read(&self, after: i64, limit: usize) -> Result<Vec<AuditEntry>, AuditError>;

    /// Hands over all entries in the order in which they are stored.
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

    /// Hands over the entries with lower numbers than `before`, or all of them, from the newest one on, until `take`
    /// says that it has enough by `false`.
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

/// Entries that are read at a time.
const PAGE: usize = 500;
