//! Reads the responses of portals.
//!
//! The readers are tolerant, because the shapes differ between FintechOS versions and are not documented for all of them.
//! They are strict in one point: FintechOS reports failures with status 200, so a success status alone proves nothing.

pub(crate) mod delivery;
pub(crate) mod login;
mod text;

/// How much of a portal's response is read, in bytes. It bounds the memory; the rest of a longer response is ignored.
pub(crate) const MAX_RESPONSE_BYTES: usize = 64 * 1024;
