//! Starts what tests and benchmarks need as processes or servers.

#[cfg(feature = "certificates")]
pub mod certificates;
#[cfg(feature = "collectors")]
pub mod collectors;
pub mod gateway;
pub mod ports;
pub mod postgres;
pub mod process;
