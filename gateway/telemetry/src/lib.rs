//! Every metric name and log field of the gateway, its registry and its log.

mod access;
mod json;
pub mod log;
mod metrics;
pub mod names;
mod rolling;
mod sinks;
mod writer;

pub use access::AccessRecord;
pub use metrics::{Metrics, RouteMetrics};
pub use rolling::FileSettings;
