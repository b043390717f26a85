//! A simulated Onfido for several accounts.

mod account;
mod checks;
mod echo;
mod files;
mod guard;
mod ids;
mod intake;
mod notifier;
mod paging;
mod people;
mod problem;
mod request;
mod router;
mod settings;
mod shared;
mod shelf;
mod webhook;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use account::Accounts;
use notifier::Notifier;
pub use notifier::{Notification, Outcome};
pub use request::Request;
pub use settings::{Recording, Settings};
use shared::Shared;
pub use webhook::Webhook;

use crate::journal::Journal;
use crate::serving::{Serving, Socket};

/// A running simulation; dropping it ends it.
#[derive(Debug)]
pub struct Onfido {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: Serving,
}

// === impl Onfido ===

impl Onfido {
    /// Begins to serve, without any account.
    ///
    /// # Errors
    ///
    /// The port is taken.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let socket = Socket::bind(settings.port).await?;
        let address = socket.address;
        let shared = Arc::new(Shared {
            origin: format!("http://{address}"),
            accounts: Accounts::default(),
            requests: Journal::new(),
            notifier: Notifier::new(settings.retry_clock)?,
            settings,
        });
        let serving = socket.serve(router::router(&shared));
        Ok(Self { address, shared, _serving: serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port/v3.6`: what goes into `Onfido-BaseUrl`.
    pub fn base_url(&self) -> String {
        format!("{}{}", self.shared.origin, self.shared.settings.base_path)
    }

    /// Opens the account `name`, whose API token is `token`.
    pub fn add_account(&self, name: &str, token: &str) {
        self.shared.accounts.add(name, token);
    }

    /// Lets a further token in to an account; both are good until one is taken back.
    pub fn add_token(&self, account: &str, token: &str) {
        self.shared.accounts.add_token(account, token);
    }

    /// Takes a token back.
    pub fn revoke_token(&self, token: &str) {
        self.shared.accounts.revoke(token);
    }

    /// Registers a webhook for `report.completed` and says its id and token; none without that account.
    pub fn add_webhook(&self, account: &str, url: &str) -> Option<Webhook> {
        let account = self.shared.accounts.named(account)?;
        Some(account.add_webhook(Webhook::new(url)))
    }

    /// Changes where the notifications of a webhook go.
    pub fn point_webhook(&self, account: &str, id: &str, url: &str) {
        if let Some(account) = self.shared.accounts.named(account) {
            account.change_webhook(id, |webhook| url.clone_into(&mut webhook.url));
        }
    }

    /// Signs `body` with the webhook's token and sends it until it is taken, as if an event had happened.
    /// Says whether there is such a webhook.
    pub fn notify(&self, account: &str, webhook: &str, body: Bytes) -> bool {
        let Some(found) = self.shared.accounts.named(account).and_then(|account| account.webhook(webhook))
        else {
            return false;
        };
        self.shared.notifier.send(account, found, body);
        true
    }

    /// Every request that arrived.
    pub fn requests(&self) -> &Journal<Request> {
        &self.shared.requests
    }

    /// Every attempt to send a notification that has ended.
    pub fn notifications(&self) -> &Journal<Notification> {
        self.shared.notifier.attempts()
    }
}

#[cfg(test)]
mod tests;
