//! Starts the processes and servers for tests and benchmarks (gateways, PostgreSQL, collectors, certificates), and makes calls.

#[cfg(feature = "calls")]
pub mod calls;
#[cfg(feature = "certificates")]
pub mod certificates;
#[cfg(feature = "collectors")]
pub mod collectors;
pub mod gateway;
pub mod ports;
pub mod postgres;
pub mod process;
