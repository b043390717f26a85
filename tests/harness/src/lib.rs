//! Starts the processes and servers for tests and benchmarks (gateways, PostgreSQL, collectors, certificates), makes calls, and
//! sends HTTP/2 frames.

#[cfg(feature = "calls")]
pub mod calls;
#[cfg(feature = "certificates")]
pub mod certificates;
#[cfg(feature = "collectors")]
pub mod collectors;
#[cfg(feature = "certificates")]
pub mod frames;
pub mod gateway;
pub mod ports;
pub mod postgres;
pub mod prism;
pub mod process;
pub mod tools;
