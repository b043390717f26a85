//! Tests of the whole gateway as a process, with real and simulated peers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test stops at the first failure"
)]

mod notifications;
mod operations;
mod outbound;
mod security;
mod support;
mod telemetry;
mod tenants;
