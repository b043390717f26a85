//! Limits the time of a write.
//!
//! Pingora's sessions limit each write of a body, but neither that of a head nor the one that ends a body: a peer that reads
//! nothing would hold its exchange, and its tenant's place at the upstream, without end.

use std::time::Duration;

use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

/// Ends a write that takes longer than `limit`; `None`: no limit.
///
/// # Errors
///
/// [`ErrorType::WriteTimedout`], else those of the write.
pub(crate) async fn write_within<T>(
    limit: Option<Duration>,
    write: impl Future<Output = Result<T>>,
) -> Result<T> {
    timeout(limit.unwrap_or(Duration::MAX), write)
        .await
        .unwrap_or_else(|_| Error::e_explain(ErrorType::WriteTimedout, "the other side does not read"))
}
