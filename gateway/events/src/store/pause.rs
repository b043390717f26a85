//! Pauses that the shutdown ends.

use std::time::Duration;

use tokio::sync::watch;

/// Waits, but not longer than until the shutdown.
pub(super) async fn pause(time: Duration, shutdown: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = shutdown.changed() => {}
    }
}
