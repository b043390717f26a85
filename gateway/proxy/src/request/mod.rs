//! Validates the request head, and buffers the body or limits its rate while it streams.

mod body_limit;
mod body_memory;
mod body_rate;
mod buffered_body;
mod expectation;
mod validation;

pub(crate) use body_limit::{check_declared_length, limit_buffering};
pub(crate) use body_memory::BodyMemory;
pub(crate) use body_rate::BodyRateLimit;
pub(crate) use buffered_body::{BodyBuffers, BufferedBody};
pub(crate) use expectation::{BodyExpectation, send_continue};
pub(crate) use validation::{set_connection, validate};
