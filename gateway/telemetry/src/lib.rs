//! Every metric name and log field of the gateway, its registry, its log and its traces.

mod exporter;
pub mod log;
mod metrics;
pub mod names;
pub mod otel;

pub use exporter::{Encoding, ExportSettings, collector_url};
pub use log::{AccessRecord, FileSettings};
// The name that the other crates use.
pub use metrics::{
    ConnectionMetrics, Counter, CounterFamily, ExportMetrics, Gauge, GaugeFamily, Histogram, HistogramFamily,
    MetricError, Metrics, MetricsRegistry, RouteMetrics, Upstreams,
};
pub use otel as traces;
