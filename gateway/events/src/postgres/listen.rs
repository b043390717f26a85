//! Listens for events that other gateways have inserted or revived (`LISTEN` and `NOTIFY`).

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::sleep;

use super::database::Postgres;
use super::open;
use crate::CommitQueue;

/// Wakes the dispatcher when another gateway has stored events, until the shutdown. When the connection fails, the
/// dispatcher finds such events at its next poll.
pub async fn listen(store: Postgres, commit_queue: CommitQueue, mut shutdown: watch::Receiver<bool>) {
    let listening = async {
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
        () = listening => {}
        _ = shutdown.changed() => {}
    }
}

/// Does what [`PgListener::connect`] does, but with the options of the other connections. `PgListener::connect` would
/// parse the address itself, and so ignore the default TLS mode of `address.rs`.
async fn connect(store: &Postgres) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let pool = pool.connect_with(open::options(&store.url)?).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.ignore_pool_close_event(true);
    Ok(listener)
}

/// The notification channel for stored events.
pub(super) const CHANNEL: &str = "kyc_gateway_events";
const RECONNECT_INTERVAL: Duration = Duration::from_secs(5);
