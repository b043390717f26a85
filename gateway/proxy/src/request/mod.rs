//! The request as it arrives from downstream: its head is validated, its body is read whole or measured while it streams.

mod body_limit;
mod body_memory;
mod body_rate;
mod buffered_body;
mod validation;

pub(crate) use body_limit::{check_declared_length, within};
pub(crate) use body_memory::Room;
pub(crate) use body_rate::Arrival;
pub(crate) use buffered_body::{Buffers, Whole, answer_expectation};
pub(crate) use validation::admit;
