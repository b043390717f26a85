//! The store in one SQLite file: the default, with no set-up.

mod alive;
mod audit;
mod bulk;
mod check;
mod damage_mark;
mod due;
mod failure;
mod file;
mod filter;
mod insert;
mod open;
mod read;
mod reseal;
mod room;
mod rows;
mod schema;
mod shift;
mod standing;
mod sweep;
mod undelivered;
mod wal;
mod write;

pub use audit::SqliteRecords;
pub use check::Integrity;
pub use file::Sqlite;

#[cfg(test)]
mod tests;
