//! Authentication of operators.

pub(crate) mod access;
pub(crate) mod token_keys;
