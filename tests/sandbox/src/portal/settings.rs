//! The settings and accounts of the simulated portal.

use std::path::PathBuf;
use std::time::Duration;

/// The settings of the simulated portal.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The port of 127.0.0.1; default 0, which selects a free one.
    pub port: u16,
    /// The path before the portal's own; default `/portal`.
    pub base_path: String,
    /// The accounts that may log in.
    pub accounts: Vec<Account>,
    /// The name of the endpoint that receives events; default `FTOS_Onfido_WebHook`.
    pub action: String,
    /// The names of further endpoints that receive events; default none.
    pub other_actions: Vec<String>,
    /// The lifetime of a login; default 20 minutes, as with FintechOS.
    pub token_lifetime: Duration,
    /// The file to which each event is written before it is answered; default none.
    pub ledger: Option<PathBuf>,
    /// Whether the ledger is synced to disk before the response; default yes. Switch it off for a thousand portals on one
    /// machine, which would otherwise measure the disk.
    pub sync: bool,
    /// Whether deliveries and calls are recorded in memory; default yes. A long run uses the ledger instead.
    pub keep: bool,
}

/// An account of a tenant at the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The tenant of the account.
    pub tenant: String,
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// The client id that `GetToken` must contain; the keycloak dialect has none.
    pub client_id: Option<String>,
}

// === impl Settings ===

impl Settings {
    /// Settings with these accounts; the rest is as with FintechOS.
    pub fn new(accounts: Vec<Account>) -> Self {
        Self {
            port: 0,
            base_path: "/portal".to_owned(),
            accounts,
            action: "FTOS_Onfido_WebHook".to_owned(),
            other_actions: Vec::new(),
            token_lifetime: Duration::from_secs(20 * 60),
            ledger: None,
            sync: true,
            keep: true,
        }
    }

    /// Whether there is an endpoint with this name.
    pub(super) fn has_action(&self, name: &str) -> bool {
        self.action == name || self.other_actions.iter().any(|other| other == name)
    }
}
