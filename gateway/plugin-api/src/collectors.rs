//! The metrics of plugins, on the gateway's own registry.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Makes metrics once and hands out the same one to each instance of a plugin.
///
/// Names follow the Prometheus conventions: `gateway_<noun>_<unit>[_total]`, base units. Label values come
/// from the configuration or an enum, never from a request.
#[derive(Debug)]
pub struct Collectors {
    registry: Registry,
    counters: Mutex<HashMap<String, IntCounterVec>>,
    histograms: Mutex<HashMap<String, HistogramVec>>,
    gauges: Mutex<HashMap<String, IntGaugeVec>>,
}

// === impl Collectors ===

impl Collectors {
    /// Registers on `registry` from now on.
    pub fn new(registry: Registry) -> Self {
        Self { registry, counters: Mutex::default(), histograms: Mutex::default(), gauges: Mutex::default() }
    }

    /// A family of counters.
    ///
    /// # Errors
    ///
    /// Why the registry refuses the name, help or labels.
    pub fn counter(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, String> {
        let mut known = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = known.get(name) {
            return Ok(counter.clone());
        }
        let counter = IntCounterVec::new(Opts::new(name, help), labels).map_err(|error| error.to_string())?;
        self.registry.register(Box::new(counter.clone())).map_err(|error| error.to_string())?;
        known.insert(name.to_owned(), counter.clone());
        Ok(counter)
    }

    /// A family of gauges.
    ///
    /// # Errors
    ///
    /// Why the registry refuses the name, help or labels.
    pub fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, String> {
        let mut known = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gauge) = known.get(name) {
            return Ok(gauge.clone());
        }
        let gauge = IntGaugeVec::new(Opts::new(name, help), labels).map_err(|error| error.to_string())?;
        self.registry.register(Box::new(gauge.clone())).map_err(|error| error.to_string())?;
        known.insert(name.to_owned(), gauge.clone());
        Ok(gauge)
    }

    /// A family of histograms over `buckets`, in seconds or bytes as the name says.
    ///
    /// # Errors
    ///
    /// Why the registry refuses the name, help, labels or buckets.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, String> {
        let mut known = self.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(histogram) = known.get(name) {
            return Ok(histogram.clone());
        }
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let histogram = HistogramVec::new(options, labels).map_err(|error| error.to_string())?;
        self.registry.register(Box::new(histogram.clone())).map_err(|error| error.to_string())?;
        known.insert(name.to_owned(), histogram.clone());
        Ok(histogram)
    }
}
