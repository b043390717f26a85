//! A simulated Onfido for several accounts.

mod account;
mod checks;
mod echo;
mod files;
mod guard;
mod intake;
mod notifier;
mod paging;
mod people;
mod problem;
mod router;
mod shelf;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use account::Accounts;
pub use guard::Request;
use notifier::Notifier;
pub use notifier::{Notification, Outcome};
pub use webhooks::Webhook;

use crate::journal::Journal;
use crate::serving::{Serving, Socket};

/// A running simulation; dropping it ends it.
#[derive(Debug)]
pub struct Onfido {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: Serving,
}

/// How the simulation behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The port of 127.0.0.1; default 0, any free one.
    pub port: u16,
    /// The path before every resource; default `/v3.6`.
    pub base_path: String,
    /// From a check's creation to its completion; default 50 ms.
    pub completion: Duration,
    /// From a check's creation to the answer when it asks for `asynchronous: false`; default 1 s.
    pub synchronous_answer: Duration,
    /// How many times faster than Onfido's the clock of the retries runs; default 1.
    pub retry_clock: u32,
    /// What is kept of requests; default all.
    pub recording: Recording,
}

/// What is kept of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// Every request, with its headers and its body unless that is a file.
    Requests,
    /// Nothing, for many requests.
    Nothing,
}

/// What the handlers share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    origin: String,
    accounts: Accounts,
    requests: Journal<Request>,
    notifier: Notifier,
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

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            base_path: "/v3.6".to_owned(),
            completion: Duration::from_millis(50),
            synchronous_answer: Duration::from_secs(1),
            retry_clock: 1,
            recording: Recording::Requests,
        }
    }
}

// === impl Shared ===

impl Shared {
    /// The path of a resource, as it stands in `href`.
    fn href(&self, collection: &str, id: &str) -> String {
        format!("{}/{collection}/{id}", self.settings.base_path)
    }

    /// The whole URL of a resource.
    fn url(&self, collection: &str, id: &str) -> String {
        format!("{}{}", self.origin, self.href(collection, id))
    }
}

#[cfg(test)]
mod tests;
