//! Logs failed commands that no caller waits for.

use kyc_events::StoreError;

/// Logs that the store did not commit a command that no caller waits for.
pub(crate) fn log_failed<T>(done: Result<T, StoreError>) {
    if let Err(error) = done {
        tracing::error!(%error, "a maintenance command of the event store failed");
    }
}
