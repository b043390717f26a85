//! Supervision of tasks that must run until the process ends.
//!
//! A panic of one task must not end the deliveries of all tenants, so a supervised task is restarted instead of ending the
//! process.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::time::sleep;

/// Runs `work` until the shutdown. When it panics or ends earlier, logs an error and restarts it.
pub async fn supervised<F>(
    name: &'static str,
    mut shutdown: watch::Receiver<bool>,
    work: impl Fn() -> F + Send + Sync,
) where
    F: Future<Output = ()> + Send,
{
    while !*shutdown.borrow() {
        let ended = AssertUnwindSafe(async { work().await }).catch_unwind().await;
        if *shutdown.borrow() {
            return;
        }
        let how = if ended.is_err() { "panicked" } else { "ended" };
        tracing::error!(task = name, how, "background task stopped; restarting it");
        tokio::select! {
            () = sleep(PAUSE) => {}
            _ = shutdown.changed() => {}
        }
    }
}

/// The time between the end of the work and its restart. It limits the log and the load of work that fails at once.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_panics_or_ends_is_restarted_until_the_shutdown() {
        let begun = AtomicUsize::new(0);
        let (shut, shutdown) = watch::channel(false);
        let work = || {
            let turn = begun.fetch_add(1, Ordering::Relaxed);
            let shut = &shut;
            async move {
                match turn {
                    0 => panic!("a mistake"),
                    1 => {}
                    _ => drop(shut.send(true)),
                }
            }
        };

        supervised("test", shutdown, work).await;

        assert_eq!(begun.into_inner(), 3);
    }
}
