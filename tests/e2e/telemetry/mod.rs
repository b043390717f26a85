//! Metrics, alerts, logs and spans.

mod admin;
mod collectors;
mod durations;
pub(crate) mod logging;
mod plot;
mod prometheus;
