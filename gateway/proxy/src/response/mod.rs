//! The responses that the gateway writes itself: those of plugins, and one for each kind of problem.

mod error_response;
mod respond;

pub(crate) use error_response::{raw_error_response, status};
pub(crate) use respond::{Responder, has_no_body};
