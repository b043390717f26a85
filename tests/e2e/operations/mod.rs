//! Operation of a running gateway: listeners, upgrades, probes, stored events and audit records.

pub(crate) mod audit;
mod balancers;
mod confined;
mod listeners;
pub(crate) mod operate;
mod probes;
mod starting;
mod swagger;
mod upgrade;
