//! The audit records beside the events, in a table of their own.

use async_trait::async_trait;
use kyc_plugin_api::{AuditEntry, AuditError};

use super::StoreError;

/// An engine's side of the audit records. Every operation is one statement.
#[async_trait]
pub(crate) trait Records: Send {
    /// The entries with a higher number than `after`, or without it the newest one.
    async fn read(&mut self, after: Option<i64>, limit: i64) -> Result<Vec<AuditEntry>, StoreError>;

    /// Adds an entry if its number is the next one, and says whether it did.
    async fn append(&mut self, entry: &AuditEntry) -> Result<bool, StoreError>;
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full | StoreError::Share => Self::Full,
            StoreError::Away | StoreError::Busy | StoreError::Keyless => Self::Away,
            StoreError::Engine(reason) => Self::Failed(reason),
        }
    }
}
