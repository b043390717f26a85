//! A pause that the shutdown interrupts.

use std::time::Duration;

use tokio::sync::watch;

/// Sleeps for `time`, or until the shutdown.
pub(super) async fn pause(time: Duration, shutdown: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = shutdown.changed() => {}
    }
}
