//! Starts what tests, trials and benchmarks need as processes or servers.

#[cfg(feature = "certificates")]
pub mod certificates;
pub mod ports;
pub mod postgres;
