//! What operators do with a running gateway.

pub(crate) mod audit;
mod balancers;
mod confined;
mod listeners;
pub(crate) mod operate;
mod probes;
mod swagger;
mod upgrade;
