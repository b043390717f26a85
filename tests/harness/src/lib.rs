//! Starts what tests, trials and benchmarks need as processes or servers.

pub mod ports;
pub mod postgres;
