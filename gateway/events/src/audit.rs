//! The audit records in the event store, which have their own table.

use async_trait::async_trait;

use crate::{AuditEntry, AuditError, StoreError};

/// The audit records of one engine. Every operation is one SQL statement, so it needs no transaction.
#[async_trait]
pub trait Records: Send {
    /// Reads the entries with a higher number than `after`, oldest first; without `after`, the newest entries.
    async fn read(&mut self, after: Option<i64>, limit: i64) -> Result<Vec<AuditEntry>, StoreError>;

    /// Adds an entry if its number is the next one, and returns whether it was added.
    async fn append(&mut self, entry: &AuditEntry) -> Result<bool, StoreError>;
}

/// Copies the chain of one store into another, and continues an interrupted copy. Returns `false`, and copies nothing, when
/// the other store has a different chain.
///
/// # Errors
///
/// [`StoreError`] of either store; entries that were copied stay.
pub async fn copy_chain(from: &mut dyn Records, to: &mut dyn Records) -> Result<bool, StoreError> {
    let Some(last) = from.read(None, 1).await?.pop() else { return Ok(true) };
    if to.read(Some(last.seq - 1), 1).await?.pop().as_ref() == Some(&last) {
        // An earlier copy is complete, and the other store has added entries since.
        return Ok(true);
    }
    let mut after = 0;
    if let Some(newest) = to.read(None, 1).await?.pop() {
        if from.read(Some(newest.seq - 1), 1).await?.pop().as_ref() != Some(&newest) {
            return Ok(false);
        }
        after = newest.seq;
    }
    loop {
        let entries = from.read(Some(after), PAGE).await?;
        let Some(last) = entries.last() else { return Ok(true) };
        after = last.seq;
        for entry in &entries {
            if !to.append(entry).await? {
                return Ok(false);
            }
        }
    }
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full | StoreError::LogFull | StoreError::Share => Self::Full,
            StoreError::Unavailable | StoreError::Busy | StoreError::Keyless | StoreError::Interrupted => {
                Self::Unavailable
            }
            StoreError::Engine(reason) | StoreError::Damaged(reason) => Self::Failed(reason),
        }
    }
}

/// Entries per read.
const PAGE: i64 = 500;
