//! Hears of events that other gateways have stored, or made due again.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::sleep;

use super::database::Postgres;
use super::open;
use crate::CommitQueue;

/// Wakes the dispatcher for as long as the gateway runs. Without it events wait for the next look.
pub async fn listen(store: Postgres, commit_queue: CommitQueue, mut shutdown: watch::Receiver<bool>) {
    let heard = async {
        loop {
            if let Ok(mut listener) = connect(&store).await
                && listener.listen(CHANNEL).await.is_ok()
            {
                while listener.recv().await.is_ok() {
                    commit_queue.wake();
                }
            }
            sleep(RECONNECT_INTERVAL).await;
        }
    };
    tokio::select! {
        () = heard => {}
        _ = shutdown.changed() => {}
    }
}

/// As [`PgListener::connect`] does, but with the options of all connections: it would take the address as it is.
async fn connect(store: &Postgres) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let pool = pool.connect_with(open::options(&store.url)?).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.ignore_pool_close_event(true);
    Ok(listener)
}

/// What stored events are announced on.
pub(super) const CHANNEL: &str = "kyc_gateway_events";
const RECONNECT_INTERVAL: Duration = Duration::from_secs(5);
