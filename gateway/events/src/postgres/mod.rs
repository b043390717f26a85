//! The store in PostgreSQL, which several gateways share: each claims what it delivers for a while, and what it
//! does not finish in that time is another one's to deliver.

mod address;
mod adopt;
mod audit;
mod bulk;
mod database;
mod due;
mod failure;
mod filter;
mod insert;
mod listen;
mod open;
mod read;
mod reseal;
mod rows;
mod schema;
mod standing;
mod sweep;
mod undelivered;
mod usage;
mod write;

pub use address::check as check_address;
pub use audit::PostgresRecords;
pub use database::Postgres;
pub use listen::listen;
