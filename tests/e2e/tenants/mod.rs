//! The tenant document: where it comes from, and what its keys do.

mod every_key;
mod limits;
mod reload;
mod vault;
