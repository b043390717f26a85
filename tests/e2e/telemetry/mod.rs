//! Metrics, alerts, logs and spans.

mod admin;
mod collectors;
pub(crate) mod logging;
