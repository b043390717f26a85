//! The audit records beside the events, in a table of their own.

use async_trait::async_trait;

use crate::{AuditEntry, AuditError, StoreError};

/// An engine's side of the audit records. Every operation is one statement.
#[async_trait]
pub trait Records: Send {
    /// The entries with a higher number than `after`, or without it the newest one.
    async fn read(&mut self, after: Option<i64>, limit: i64) -> Result<Vec<AuditEntry>, StoreError>;

    /// Adds an entry if its number is the next one, and says whether it did.
    async fn append(&mut self, entry: &AuditEntry) -> Result<bool, StoreError>;
}

/// Copies the chain of one store into another, also where an earlier copy was broken off. `false`: the other one has a chain
/// of its own, and nothing was copied.
pub async fn copy_chain(from: &mut dyn Records, to: &mut dyn Records) -> Result<bool, StoreError> {
    let Some(last) = from.read(None, 1).await?.pop() else { return Ok(true) };
    if to.read(Some(last.seq - 1), 1).await?.pop().as_ref() == Some(&last) {
        // An earlier copy has all of it, and the other chain went on.
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
                Self::Away
            }
            StoreError::Engine(reason) | StoreError::Damaged(reason) => Self::Failed(reason),
        }
    }
}

/// Entries that are copied at a time.
const PAGE: i64 = 500;
