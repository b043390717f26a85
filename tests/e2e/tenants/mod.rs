//! The tenant document: its sources and the effect of its keys.

pub(crate) mod doctor;
mod every_key;
mod limits;
mod reload;
mod removal;
mod setup;
mod vault;
