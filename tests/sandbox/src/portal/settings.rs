//! How the portal behaves from its start, and who may log in.

use std::path::PathBuf;
use std::time::Duration;

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
