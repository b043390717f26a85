//! What portals answer, read tolerantly: failures may come with status 200, and shapes differ between versions.

pub(crate) mod delivery;
pub(crate) mod login;
mod text;

/// How much of a portal's answer is read, in bytes.
pub(crate) const ANSWER_LIMIT: usize = 64 * 1024;
