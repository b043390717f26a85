//! A simulated FintechOS portal, in both dialects.

mod control;
mod keycloak;
mod ledger;
mod legacy;
mod mode;
mod router;
mod sessions;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;

pub use ledger::Entry;
use ledger::Ledger;
pub use ledger::read as read_ledger;
pub use mode::{Mode, Refusal, Refuses};
use sessions::Sessions;

use crate::journal::Journal;
use crate::serving::{Serving, Socket};

/// A running portal. Dropping it breaks its connections, as a crash would; started again with the same port
/// it is back where it was.
#[derive(Debug)]
pub struct Portal {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: Serving,
}

/// How the portal behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The port of 127.0.0.1; default 0, any free one.
    pub port: u16,
    /// The path before the portal's own; default `/portal`.
    pub base_path: String,
    /// Who may log in.
    pub accounts: Vec<Account>,
    /// The name of the endpoint that takes events; default `FTOS_Onfido_WebHook`.
    pub action: String,
    /// How long a login lasts; default 20 minutes, as FintechOS has it.
    pub token_lifetime: Duration,
    /// A file to which each event is written before it is answered; default none.
    pub ledger: Option<PathBuf>,
    /// Whether the ledger is synced to disk before the answer; default yes. A thousand portals of one machine would
    /// measure its disk.
    pub sync: bool,
    /// Whether deliveries and calls are kept in memory; default yes. A long run has its ledger.
    pub keep: bool,
}

/// An account of a tenant at the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The tenant whose account it is.
    pub tenant: String,
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// What `GetToken` must name; the keycloak dialect has none.
    pub client_id: Option<String>,
}

/// The two ways to talk to a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `GetToken` and `CallAction`.
    Legacy,
    /// `keycloakToken` and automation processors.
    Keycloak,
}

/// An event that the portal took.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The tenant whose login brought it.
    pub tenant: String,
    /// How it came.
    pub dialect: Dialect,
    /// The endpoint it was for.
    pub action: String,
    /// The event, as sent.
    pub event: Bytes,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// When it was taken.
    pub at: SystemTime,
}

/// A request to the portal that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its path, as sent.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// When it arrived.
    pub at: SystemTime,
    /// The trace it says it belongs to.
    pub traceparent: Option<String>,
}

struct Shared {
    settings: Settings,
    mode: Mutex<Mode>,
    refuses: Mutex<Option<Refuses>>,
    sessions: Sessions,
    calls: Journal<Call>,
    deliveries: Journal<Delivery>,
    ledger: Option<Ledger>,
}

// === impl Portal ===

impl Portal {
    /// Begins to serve.
    ///
    /// # Errors
    ///
    /// The port is taken, or the ledger cannot be opened.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let socket = Socket::bind(settings.port).await?;
        let open = |path| Ledger::open(path, settings.sync);
        let ledger = settings.ledger.as_deref().map(open).transpose()?;
        let shared = Arc::new(Shared {
            sessions: Sessions::new(settings.token_lifetime),
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port/portal`: what goes into `ftosEndpoint`.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.settings.base_path)
    }

    /// Behaves like this from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.set_mode(mode);
    }

    /// Refuses single events from now on; `None` ends that.
    pub fn refuse(&self, refuses: Option<Refuses>) {
        *self.shared.refuses.lock().unwrap_or_else(PoisonError::into_inner) = refuses;
    }

    /// Ends all logins.
    pub fn expire_now(&self) {
        self.shared.sessions.expire();
    }

    /// The events that were taken.
    pub fn deliveries(&self) -> &Journal<Delivery> {
        &self.shared.deliveries
    }

    /// Every request that was answered, refused ones too.
    pub fn calls(&self) -> &Journal<Call> {
        &self.shared.calls
    }

    /// How many logins were asked for.
    pub fn logins(&self) -> usize {
        let is_login = |call: &&Call| {
            call.path.ends_with(legacy::LOGIN_PATH) || call.path.ends_with(keycloak::LOGIN_PATH)
        };
        self.shared.calls.look(|calls| calls.iter().filter(is_login).count())
    }
}

// === impl Settings ===

impl Settings {
    /// A portal with these accounts, else as FintechOS has it.
    pub fn new(accounts: Vec<Account>) -> Self {
        Self {
            port: 0,
            base_path: "/portal".to_owned(),
            accounts,
            action: "FTOS_Onfido_WebHook".to_owned(),
            token_lifetime: Duration::from_secs(20 * 60),
            ledger: None,
            sync: true,
            keep: true,
        }
    }
}

// === impl Shared ===

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_mode(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Says how an event is refused, if it is.
    fn refusal(&self, event: &[u8]) -> Option<Refusal> {
        let refuses = self.refuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        refuses.and_then(|refuses| refuses(event))
    }

    /// The tenant of these credentials, which are checked as FintechOS does: all that the dialect has.
    fn account(&self, wanted: impl Fn(&Account) -> bool) -> Option<&str> {
        self.settings.accounts.iter().find(|account| wanted(account)).map(|account| account.tenant.as_str())
    }

    /// Takes an event; durable before it returns when there is a ledger.
    async fn take(&self, delivery: Delivery) -> io::Result<()> {
        if let Some(ledger) = &self.ledger {
            ledger.write(Entry::from(&delivery)).await?;
        }
        if self.settings.keep {
            self.deliveries.push(delivery);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
