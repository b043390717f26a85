//! The documentation: its links lead somewhere, the paths that it names exist, and the reference pages are what their sources
//! say. `UPDATE_GOLDEN=1` writes those pages anew.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first failure"
)]

mod admin_api;
mod alerts;
mod configuration;
mod errors;
mod exchanges;
mod figures;
mod links;
mod log;
mod metrics;
mod named_tests;
mod pages;
mod paths;
mod runbook;
mod rust;
mod schema;
mod shell;
mod source;
mod spans;
