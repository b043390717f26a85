//! The event store of a gateway: how it is created, opened, started and closed.

mod audit;
pub(crate) mod backend;
pub(crate) mod event_store;
mod integrity;
mod ledger;
mod open;
mod pause;
mod running;
mod unfinished;
mod wal;

pub use audit::StoredAudit;
pub use event_store::{EventStore, Retention};
pub use running::{Readers, RunningStore};
pub use unfinished::Unfinished;
