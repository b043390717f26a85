//! How long the rest of a request body may take when its answer is complete.
//!
//! Pingora goes on reading it to its end: nobody waits for an upstream any more, and a stream of HTTP/2 has no read timeout.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

tokio::task_local! {
    static ANSWERED: Arc<Notify>;
}

/// Drops an exchange that does not end within `limit` of its answer.
pub(super) async fn bounded<T>(limit: Duration, exchange: impl Future<Output = Option<T>>) -> Option<T> {
    let answered = Arc::new(Notify::new());
    let overdue = async {
        answered.notified().await;
        sleep(limit).await;
    };
    tokio::select! {
        biased;
        done = ANSWERED.scope(Arc::clone(&answered), exchange) => done,
        () = overdue => None,
    }
}

/// Notes that the answer to the request at hand is complete, and its body is not.
pub(crate) fn answer_is_complete() {
    // Always within an exchange.
    let _ = ANSWERED.try_with(|answered| answered.notify_one());
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn time_counts_from_the_answer() {
        let begun = Instant::now();

        let stalled = bounded(LIMIT, async {
            sleep(LIMIT * 5).await;
            answer_is_complete();
            std::future::pending::<Option<()>>().await
        });
        let in_time = bounded(LIMIT, async {
            answer_is_complete();
            sleep(LIMIT / 2).await;
            Some(())
        });

        assert_eq!((stalled.await, in_time.await), (None, Some(())));
        assert_eq!(begun.elapsed().as_secs(), LIMIT.as_secs() * 6 + LIMIT.as_secs() / 2);
    }
}
