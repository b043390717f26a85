//! The request as it arrives from downstream: its head is validated, its body is read whole or measured while it streams.

mod body_limit;
mod body_memory;
mod body_rate;
mod buffered_body;
mod validation;

pub(crate) use body_limit::{check_declared_length, limit_buffering};
pub(crate) use body_memory::BodyMemory;
pub(crate) use body_rate::BodyRateLimit;
pub(crate) use buffered_body::{BodyBuffers, BufferedBody, send_continue};
pub(crate) use validation::validate;
