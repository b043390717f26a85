//! The event store in one SQLite file: the default engine, which needs no server.
//!
//! Only one process at a time delivers from the file, so events need no claims in the file: the dispatcher keeps in memory
//! which events it is delivering. The engine in `postgres` is for several gateways that share one store.

mod audit;
mod bulk;
mod damage_mark;
mod deletion;
mod due;
mod error;
mod event_counts;
mod file;
mod filter;
mod heartbeat;
mod insert;
mod integrity;
mod ledger;
mod ledger_read;
mod note;
mod open;
mod ownership;
mod read;
mod rows;
mod schema;
mod shift_times;
mod space;
mod undelivered;
mod usage;
mod wal;
mod write;

pub use audit::SqliteRecords;
pub use file::Sqlite;
pub use integrity::Integrity;

#[cfg(test)]
mod tests;
