//! The durable event store: keeps acknowledged notifications until their portal has accepted them.
//!
//! The state machine: an event is *waiting* until it is *delivered* or *dead*. An event that this gateway must not or cannot
//! deliver is *parked*, with a reason, until an operator or a new configuration removes the reason. Both engines (SQLite and
//! PostgreSQL) keep the events in one table and change them in batches (`group_commit`). The table has no state "in flight":
//! the dispatcher keeps that in memory, so an event whose gateway was killed is still *waiting* after the restart.

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
mod ledger;
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
pub use command::{Command, CustomerAssignment, Effect, Heartbeat, Progress, Reseal, RetentionLimits};
pub use config::EventsConfig;
pub use dedup::Dedup;
pub use engine::{ClosedReader, DueRequest, KeySearch, Reader, WaitingTenant, Writer};
pub use error::{OpenError, StoreError};
pub use event::{
    Backlog, DISCARDED, DeletedEventKey, DueEvent, Filter, ListedEvent, NewEvent, ParkedCount, Record, Source,
};
pub(crate) use event::{NEWEST, PAGE, REVIVABLE, searchable};
pub use group_commit::CommitQueue;
pub use intake::{Accepted, Intake, Notification};
pub use key_source::{KeyLocation, KeySource};
pub(crate) use ledger::{
    Awaited, FINAL_STATE, Held, IS_SETTLED, LostReason, Plan, RESULT_KINDS, Unwritten, settling,
};
pub use ledger::{
    EntryEnd, Expected, Ledger, LedgerCounts, LedgerEntry, LedgerFilter, LedgerMetrics, LedgerReader,
    LedgerResult, LedgerState, LookedUp, NewEntry, Noted, Started, SubjectKind,
};
pub use lock::{lock_exclusive, lock_for_delivery, lock_shared};
pub use maintenance::{CopyResult, MaintenanceError, OnProgress, VerifyResult};
pub use metrics::StoreMetrics;
pub use owner::{Binding, Customer, Owner, Recipient, TenantIndex};
pub use paths::{COPIED, path_with_suffix, sync_parent_folder};
pub use postgres::{Postgres, PostgresRecords, check_address, listen};
pub use sealed::Sealed;
pub use sealing::Keyring;
pub use share::Share;
pub use sqlite::{Integrity, Sqlite, SqliteRecords};
pub use state::{DeadReason, ParkReason, State};
pub use store::{EventStore, Readers, Retention, RunningStore, StoredAudit, Unfinished};
pub use time::{Millis, now};
pub use view::{Cursor, TenantEventCounts, Undelivered};

#[cfg(test)]
mod tests;
