//! What a gateway still has to do for one tenant, for whoever is about to remove it.

use super::backend::Backend;
use super::event_store::EventStore;
use crate::{Postgres, StoreError, now};

/// What is unfinished for a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Checks and workflow runs whose results have not arrived.
    pub open_checks: i64,
    /// Events that are to be delivered.
    pub waiting: i64,
    /// Events that are kept and not attempted.
    pub parked: i64,
}

// === impl EventStore ===

impl EventStore {
    /// Counts what is unfinished under a tenant's name. It needs no key and changes nothing, and a gateway may run or not; nothing is
    /// unfinished where no gateway has created the file yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be read.
    pub async fn unfinished(&self, tenant: &str) -> Result<Unfinished, StoreError> {
        match &self.backend {
            Backend::Sqlite(store) if !store.path().exists() => return Ok(Unfinished::default()),
            Backend::Sqlite(_) => {}
            Backend::Postgres { source, lease, share, store } => {
                let url = source.read().map_err(|error| StoreError::Engine(error.to_string()))?;
                // A second call finds the database set; the address is the same.
                let _ = store.set(Postgres::new(url, *lease).with_share(*share));
            }
        }
        let opened = self.backend.opened().ok_or(StoreError::Unavailable)?;
        let mut reader = opened.reader();
        let events = reader.event_counts().await?.into_iter().find(|counts| counts.tenant == tenant);
        let checks = reader.ledger_counts(now()).await?.into_iter().find(|counts| counts.tenant == tenant);
        Ok(Unfinished {
            open_checks: checks.map_or(0, |counts| counts.open),
            waiting: events.as_ref().map_or(0, |counts| counts.waiting),
            parked: events.as_ref().map_or(0, |counts| counts.parked),
        })
    }
}
