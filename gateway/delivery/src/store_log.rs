//! The log line of a store that does not take what the dispatcher itself has to note.

use kyc_events::StoreError;

/// Logs that the store has not taken a change that nobody waits for.
pub(crate) fn log_failed<T>(done: Result<T, StoreError>) {
    if let Err(error) = done {
        tracing::error!(%error, "the event store cannot be kept in order");
    }
}
