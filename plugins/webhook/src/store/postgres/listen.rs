//! Hears of events that other gateways have stored, or made due again.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Postgres;
use crate::store::Inbox;

/// Wakes the dispatcher for as long as the gateway runs. Without it events wait for the next look.
pub(crate) async fn listen(store: Postgres, inbox: Inbox, mut shutdown: watch::Receiver<bool>) {
    let heard = async {
        loop {
            if let Ok(mut listener) = PgListener::connect(store.url.reveal()).await
                && listener.listen(CHANNEL).await.is_ok()
            {
                while listener.recv().await.is_ok() {
                    inbox.wake();
                }
            }
            sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = heard => {}
        _ = shutdown.changed() => {}
    }
}

/// What stored events are announced on.
pub(super) const CHANNEL: &str = "kyc_gateway_events";
const AGAIN: Duration = Duration::from_secs(5);
