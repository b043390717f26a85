//! A simulated FintechOS portal, in both dialects.

mod control;
mod keycloak;
mod ledger;
mod legacy;
mod mode;
mod router;
mod sessions;
mod settings;
mod shared;
mod traffic;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

pub use ledger::Entry;
use ledger::Ledger;
pub use ledger::read as read_ledger;
pub use mode::{Mode, Refusal, Refuses};
use sessions::Sessions;
pub use settings::{Account, Settings};
use shared::Shared;
pub use traffic::{Call, Delivery, Dialect};

use crate::journal::Journal;
use crate::serving::{Serving, Socket};

/// A running portal. Dropping it aborts its connections, like a crash. A new one with the same port replaces it.
#[derive(Debug)]
pub struct Portal {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: Serving,
}

// === impl Portal ===

impl Portal {
    /// Starts to serve.
    ///
    /// # Errors
    ///
    /// When the port is in use, or the ledger cannot be opened.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let socket = Socket::bind(settings.port).await?;
        let open = |path| Ledger::open(path, settings.sync);
        let ledger = settings.ledger.as_deref().map(open).transpose()?;
        let shared = Arc::new(Shared {
            sessions: Sessions::new(settings.token_lifetime),
            accounts: Mutex::new(settings.accounts.clone()),
            inactive: Mutex::default(),
            mode: Mutex::new(Mode::Ok),
            refuses: Mutex::new(None),
            calls: Journal::new(),
            deliveries: Journal::new(),
            ledger,
            settings,
        });
        let address = socket.address;
        let serving = socket.serve(router::router(&shared));
        Ok(Self { address, shared, _serving: serving })
    }

    /// Returns the address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns `http://127.0.0.1:port/portal`, for `ftosEndpoint`.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.settings.base_path)
    }

    /// Changes the behaviour of the portal.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.set_mode(mode);
    }

    /// Refuses the events that `refuses` selects; `None` accepts all again.
    pub fn refuse(&self, refuses: Option<Refuses>) {
        *self.shared.refuses.lock().unwrap_or_else(PoisonError::into_inner) = refuses;
    }

    /// Changes the password of a tenant's account.
    pub fn set_password(&self, tenant: &str, password: &str) {
        let mut accounts = self.shared.accounts();
        let changed = accounts.iter_mut().filter(|account| account.tenant == tenant);
        changed.for_each(|account| password.clone_into(&mut account.password));
    }

    /// Deactivates a tenant's account: its logins get no token.
    pub fn deactivate(&self, tenant: &str) {
        self.shared.inactive().insert(tenant.to_owned());
    }

    /// Activates a tenant's account again.
    pub fn activate(&self, tenant: &str) {
        self.shared.inactive().remove(tenant);
    }

    /// Expires the tokens of all logins.
    pub fn expire_now(&self) {
        self.shared.sessions.expire();
    }

    /// Returns the journal of accepted events.
    pub fn deliveries(&self) -> &Journal<Delivery> {
        &self.shared.deliveries
    }

    /// Returns the journal of all answered requests, including refused ones.
    pub fn calls(&self) -> &Journal<Call> {
        &self.shared.calls
    }

    /// Returns the number of login requests.
    pub fn logins(&self) -> usize {
        let is_login = |call: &&Call| {
            call.path.ends_with(legacy::LOGIN_PATH) || call.path.ends_with(keycloak::LOGIN_PATH)
        };
        self.shared.calls.inspect(|calls| calls.iter().filter(is_login).count())
    }
}

#[cfg(test)]
mod tests;
