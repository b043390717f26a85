//! The durable event store: keeps acknowledged notifications until their portal has accepted them.
//!
//! The state machine: an event is *waiting* until it is *delivered* or *dead*. An event that this gateway must not or cannot
//! deliver is *parked*, with a reason, until an operator or a new configuration removes the reason. Engines keep the events
//! in one table and change them in batches (`group_commit`). Only the dispatcher knows which attempts are in flight.

mod attempt;
mod audit;
mod audit_log;
mod claim;
mod command;
mod config;
mod dedup;
mod engine;
mod error;
mod event;
mod group_commit;
mod intake;
mod key_source;
mod lock;
mod maintenance;
mod metrics;
mod owner;
mod paths;
mod postgres;
mod sealed;
mod sealing;
mod share;
mod sqlite;
mod state;
mod store;
mod time;
mod view;

pub use attempt::{Attempt, Failure, Finish, Next};
pub use audit::{Records, copy_chain};
pub use audit_log::{AuditEntry, AuditError, AuditLog};
pub use claim::Claim;
pub use command::{Bound, Command, Effect, Heartbeat, Progress, Reseal, Sweep};
pub use config::EventsConfig;
pub use dedup::Dedup;
pub use engine::{Extent, NotOpen, Reader, Waiting, Wanted, Writer};
pub use error::{OpenError, StoreError};
pub use event::{Backlog, DISCARDED, DueEvent, Filter, Listed, NewEvent, Parked, Record, Seen};
pub(crate) use event::{NEWEST, PAGE, REVIVABLE};
pub use group_commit::CommitQueue;
pub use intake::{Accepted, Intake, Notification};
pub use key_source::{KeyPlace, KeySource};
pub use lock::{alone, in_use, lock};
pub use maintenance::{Copied, MaintenanceError, Verified};
pub use metrics::StoreMetrics;
pub use owner::{Binding, Customer, Directory, Owner, Recipient};
pub use paths::{MOVED, beside, sync_name};
pub use postgres::{Postgres, PostgresRecords, check_address, listen};
pub use sealed::Sealed;
pub use sealing::Keyring;
pub use share::Share;
pub use sqlite::{Integrity, Sqlite, SqliteRecords};
pub use state::{DeadReason, ParkReason, State};
pub use store::{EventStore, Readers, Retention, Running, StoredAudit};
pub use time::{Millis, now};
pub use view::{Cursor, Standing, Undelivered};

#[cfg(test)]
mod tests;
