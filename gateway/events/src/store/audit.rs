//! The gateway's audit records, kept in the event store: gateways that share a database then share one chain.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::backend::{Backend, Opened};
use super::event_store::EventStore;
use crate::{
    AuditEntry, AuditError, AuditLog, Postgres, PostgresRecords, Records, SqliteRecords, StoreError,
};

/// The audit log in an event store.
pub struct StoredAudit {
    store: Arc<EventStore>,
    records: Mutex<Option<Box<dyn Records>>>,
}

// === impl StoredAudit ===

impl StoredAudit {
    /// Creates the audit log of a store. It can be used as soon as the store is open.
    pub fn new(store: &Arc<EventStore>) -> Self {
        Self { store: Arc::clone(store), records: Mutex::new(None) }
    }
}

/// Returns the engine's audit records, and creates them at the first call after the engine was opened.
fn records<'a>(
    backend: &Backend,
    records: &'a mut Option<Box<dyn Records>>,
) -> Result<&'a mut dyn Records, StoreError> {
    if records.is_none() {
        *records = match backend.opened() {
            Some(Opened::Sqlite(store)) => Some(Box::new(SqliteRecords::new(store))),
            Some(Opened::Postgres(store)) => Some(Box::new(PostgresRecords::new(store))),
            None => None,
        };
    }
    records.as_deref_mut().ok_or(StoreError::Unavailable).map(|records| records as &mut dyn Records)
}

#[async_trait]
impl AuditLog for StoredAudit {
    async fn open(&self) -> Result<(), AuditError> {
        match &self.store.backend {
            Backend::Sqlite(store) if store.path().exists() => {}
            Backend::Sqlite(store) => {
                return Err(AuditError::Failed(format!(
                    "there is no event store at {}",
                    store.path().display()
                )));
            }
            Backend::Postgres { source, lease, share, store } => {
                let url = source.read().map_err(|error| AuditError::Failed(error.to_string()))?;
                // A second call finds the database set; the address is the same.
                let _ = store.set(Postgres::new(url, *lease).with_share(*share));
            }
        }
        Ok(())
    }

    async fn newest(&self) -> Result<Option<AuditEntry>, AuditError> {
        let mut guard = self.records.lock().await;
        Ok(records(&self.store.backend, &mut guard)?.read(None, 1).await?.pop())
    }

    async fn append(&self, entry: &AuditEntry) -> Result<bool, AuditError> {
        let mut guard = self.records.lock().await;
        Ok(records(&self.store.backend, &mut guard)?.append(entry).await?)
    }

    async fn read(&self, after: i64, limit: usize) -> Result<Vec<AuditEntry>, AuditError> {
        let mut guard = self.records.lock().await;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(records(&self.store.backend, &mut guard)?.read(Some(after), limit).await?)
    }
}

impl std::fmt::Debug for StoredAudit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredAudit").finish_non_exhaustive()
    }
}
