//! Supervision of tasks that must run until the process ends.

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
        tracing::error!(task = name, how, "a background task stopped, it begins anew");
        tokio::select! {
            () = sleep(PAUSE) => {}
            _ = shutdown.changed() => {}
        }
    }
}

const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_panics_or_ends_begins_anew_until_the_shutdown() {
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
