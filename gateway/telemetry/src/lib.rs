//! Metrics, logging and traces of the gateway: the metric names and their registry, the log with its files and collectors, and
//! the spans of requests.

mod exporter;
pub mod log;
mod metrics;
pub mod names;
pub mod otel;

pub use exporter::{Encoding, ExportSettings, collector_url};
pub use log::{AccessRecord, FileSettings};
// Other crates import the module `otel` under the name `traces`.
pub use metrics::{
    BuildInfo, ConnectionMetrics, Counter, CounterFamily, ExportMetrics, Gauge, GaugeFamily, Histogram,
    HistogramFamily, MetricError, Metrics, MetricsRegistry, RouteMetrics, TenantHistogram, Upstreams,
};
pub use otel as traces;
