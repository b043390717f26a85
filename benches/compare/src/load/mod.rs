//! What makes the load. Each round fails when a call is not answered with 200.

mod h2load;
mod idle;
mod open_loop;
mod wrk;

pub(crate) use h2load::H2load;
pub(crate) use idle::Idle;
pub(crate) use open_loop::OpenLoop;
pub(crate) use wrk::{Call, Wrk};
