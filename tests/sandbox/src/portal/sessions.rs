//! Logins and their tokens.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::traffic::Dialect;

#[derive(Debug)]
pub(super) struct Sessions {
    lifetime: Duration,
    open: Mutex<HashMap<String, Session>>,
}

#[derive(Debug)]
struct Session {
    tenant: String,
    dialect: Dialect,
    until: Instant,
}

// === impl Sessions ===

impl Sessions {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { lifetime, open: Mutex::default() }
    }

    /// Opens a session. Earlier ones stay valid, as with FintechOS.
    pub(super) fn open(&self, tenant: &str, dialect: Dialect) -> String {
        let id = uuid::Uuid::new_v4();
        let token = match dialect {
            Dialect::Legacy => id.to_string(),
            Dialect::Keycloak => format!("eyJhbGciOiJSUzI1NiJ9.{}.sandbox", id.simple()),
        };
        let session = Session { tenant: tenant.to_owned(), dialect, until: Instant::now() + self.lifetime };
        self.lock().insert(token.clone(), session);
        token
    }

    /// The tenant of a valid token of this dialect.
    pub(super) fn tenant(&self, token: &str, dialect: Dialect) -> Option<String> {
        let open = self.lock();
        let session = open.get(token)?;
        let is_good = session.dialect == dialect && Instant::now() < session.until;
        is_good.then(|| session.tenant.clone())
    }

    pub(super) fn expire(&self) {
        self.lock().clear();
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
