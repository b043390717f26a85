//! Metrics, alerts, logs and spans.

mod admin;
mod collectors;
mod durations;
mod faults;
pub(crate) mod logging;
mod plot;
mod prometheus;
