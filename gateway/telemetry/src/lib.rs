//! Every metric name and log field of the gateway, its registry, its log and its traces.

mod export;
pub mod log;
mod metrics;
pub mod names;
pub mod traces;

pub use export::{Encoding, ExportSettings, collector_url};
pub use log::{AccessRecord, FileSettings};
pub use metrics::{
    ConnectionMetrics, Counter, CounterFamily, ExportMetrics, Gauge, GaugeFamily, Histogram, HistogramFamily,
    MetricError, Metrics, MetricsRegistry, RouteMetrics, Upstreams,
};
