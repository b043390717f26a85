//! A simulated Onfido for several accounts.

mod account;
mod authentication;
mod checks;
mod collection;
mod completion;
mod echo;
mod extractors;
mod files;
mod ids;
mod notifier;
mod paging;
mod people;
mod problem;
mod request;
mod router;
mod settings;
mod shared;
mod webhook;
mod webhooks;
mod workflow_runs;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use account::Accounts;
pub use completion::{Completion, Notifies};
use notifier::Notifier;
pub use notifier::{Notification, Outcome};
pub use request::Request;
pub use settings::{Recording, Settings};
use shared::Shared;
pub use webhook::Webhook;

use crate::journal::Journal;
use crate::serving::{Serving, Socket};

/// A running simulation of Onfido. Dropping it stops it.
#[derive(Debug)]
pub struct Onfido {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: Serving,
}

// === impl Onfido ===

impl Onfido {
    /// Starts to serve, without accounts.
    ///
    /// # Errors
    ///
    /// When the port is in use.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let socket = Socket::bind(settings.port).await?;
        let address = socket.address;
        let shared = Arc::new(Shared {
            origin: format!("http://{address}"),
            accounts: Accounts::default(),
            requests: Journal::new(),
            notifier: Notifier::new(settings.retry_clock)?,
            ahead: AtomicI64::new(0),
            notifies: Mutex::default(),
            settings,
        });
        let serving = socket.serve(router::router(&shared));
        Ok(Self { address, shared, _serving: serving })
    }

    /// Returns the address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns `http://127.0.0.1:port/v3.6`, for `Onfido-BaseUrl`.
    pub fn base_url(&self) -> String {
        format!("{}{}", self.shared.origin, self.shared.settings.base_path)
    }

    /// Adds the account `name` with the API token `token`.
    pub fn add_account(&self, name: &str, token: &str) {
        self.shared.accounts.add(name, token);
    }

    /// Adds another token to an account. All tokens are valid until they are revoked.
    pub fn add_token(&self, account: &str, token: &str) {
        self.shared.accounts.add_token(account, token);
    }

    /// Revokes a token.
    pub fn revoke_token(&self, token: &str) {
        self.shared.accounts.revoke(token);
    }

    /// Registers a webhook for `report.completed`. Returns it with its id and token; `None` for an unknown account.
    pub fn add_webhook(&self, account: &str, url: &str) -> Option<Webhook> {
        let account = self.shared.accounts.named(account)?;
        Some(account.add_webhook(Webhook::new(url)))
    }

    /// Changes the URL of a webhook.
    pub fn point_webhook(&self, account: &str, id: &str, url: &str) {
        if let Some(account) = self.shared.accounts.named(account) {
            account.change_webhook(id, |webhook| url.clone_into(&mut webhook.url));
        }
    }

    /// Adds a webhook with this id, or replaces it.
    pub fn put_webhook(&self, account: &str, webhook: Webhook) {
        if let Some(account) = self.shared.accounts.named(account) {
            account.put_webhook(webhook);
        }
    }

    /// Deletes a webhook.
    pub fn remove_webhook(&self, account: &str, id: &str) {
        if let Some(account) = self.shared.accounts.named(account) {
            account.remove_webhook(id);
        }
    }

    /// Deletes a check of an account, as an erasure of its applicant does.
    pub fn remove_check(&self, account: &str, id: &str) {
        if let Some(account) = self.shared.accounts.named(account) {
            account.resources().checks.remove(id);
        }
    }

    /// Sets members of a check, such as its status.
    pub fn change_check(&self, account: &str, id: &str, members: &serde_json::Value) {
        if let Some(account) = self.shared.accounts.named(account) {
            account.resources().checks.change(id, members);
        }
    }

    /// Sets how many seconds the clock of the responses (`Date`) is ahead.
    pub fn set_clock(&self, ahead: i64) {
        self.shared.ahead.store(ahead, Ordering::Relaxed);
    }

    /// Notifies only the completed reports that `notifies` selects; `None` notifies all again.
    pub fn select_notifications(&self, notifies: Option<Notifies>) {
        *self.shared.notifies.lock().unwrap_or_else(PoisonError::into_inner) = notifies;
    }

    /// Signs `body` with the webhook's token and sends it, with retries, like a real event. Returns false for an unknown webhook.
    pub fn notify(&self, account: &str, webhook: &str, body: Bytes) -> bool {
        let Some(found) = self.shared.accounts.named(account).and_then(|account| account.webhook(webhook))
        else {
            return false;
        };
        self.shared.notifier.send(account, found, body);
        true
    }

    /// Never sends the next `count` notifications, of whichever account.
    pub fn withhold(&self, count: usize) {
        self.shared.notifier.withhold(count);
    }

    /// Returns the journal of all requests.
    pub fn requests(&self) -> &Journal<Request> {
        &self.shared.requests
    }

    /// Returns the journal of all ended attempts to send a notification.
    pub fn notifications(&self) -> &Journal<Notification> {
        self.shared.notifier.attempts()
    }
}

#[cfg(test)]
mod tests;
