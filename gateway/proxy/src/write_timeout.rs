//! Limits the time of a write.
//!
//! Pingora's sessions limit each write of a body, but neither that of a head nor the one that ends a body: a peer that reads
//! nothing would hold its exchange, and its tenant's place at the upstream, without end.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

/// Ends a write that takes longer than `limit`; `None`: no limit. The time begins when the write first has to wait, since nearly
/// none has to, and a timer for each would cost more than the check. The write is pinned by the caller (`pin!`), whose future holds it
/// once; by value, this one would hold it twice.
///
/// # Errors
///
/// [`ErrorType::WriteTimedout`], else those of the write.
pub(crate) async fn write_within<T>(
    limit: Option<Duration>,
    mut write: Pin<&mut impl Future<Output = Result<T>>>,
) -> Result<T> {
    if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(write.as_mut().poll(context))).await {
        return done;
    }
    timeout(limit.unwrap_or(Duration::MAX), write)
        .await
        .unwrap_or_else(|_| Error::e_explain(ErrorType::WriteTimedout, "the other side does not read"))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn write_that_waits_ends_at_its_limit() {
        let started = tokio::time::Instant::now();

        let error =
            write_within(Some(Duration::from_secs(5)), pin!(std::future::pending::<Result<()>>())).await;

        assert_eq!(error.unwrap_err().etype, ErrorType::WriteTimedout);
        assert_eq!(started.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test]
    async fn write_that_does_not_wait_needs_no_time() {
        assert_eq!(write_within(Some(Duration::ZERO), pin!(async { Ok(7) })).await.unwrap(), 7);
    }
}
