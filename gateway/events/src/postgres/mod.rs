//! The event store in PostgreSQL, which several gateways share.
//!
//! A gateway claims an event before it delivers it. The claim is a lease (`leased_until`) with a fencing token (`epoch`).
//! When the lease expires before a result is recorded, another gateway may claim the event, and the late result of the
//! first one is refused. All times are the database's, because the clocks of the gateways may differ.

mod address;
mod audit;
mod bulk;
mod claim;
mod database;
mod deletion;
mod due;
mod error;
mod event_counts;
mod filter;
mod given;
mod import;
mod insert;
mod ledger;
mod ledger_import;
mod ledger_read;
mod listen;
mod migration;
mod note;
mod open;
mod ownership;
mod read;
mod rows;
mod schema;
mod undelivered;
mod usage;
mod write;

pub use address::check_address;
pub use audit::PostgresRecords;
pub use database::Postgres;
pub use listen::listen;
