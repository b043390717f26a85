//! Who an operator is.

pub(crate) mod access;
pub(crate) mod token_keys;
