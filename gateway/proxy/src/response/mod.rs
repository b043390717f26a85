//! The responses that the gateway writes itself: those of plugins, and one for each kind of problem.

pub(crate) mod error_response;
pub(crate) mod respond;
