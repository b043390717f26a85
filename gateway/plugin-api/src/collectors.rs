//! The metrics of plugins, on the gateway's own registry.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Makes metrics once and hands out the same one to each instance of a plugin.
///
/// Names follow the Prometheus conventions: `gateway_<noun>_<unit>[_total]`, base units. Label values come
/// from the configuration or an enum, never from a request.
pub struct Collectors {
    registry: Registry,
    counters: Mutex<HashMap<String, IntCounterVec>>,
    histograms: Mutex<HashMap<String, HistogramVec>>,
    gauges: Mutex<HashMap<String, IntGaugeVec>>,
    computed: Mutex<HashMap<String, Sources>>,
}

/// Writes the values of a family of gauges that one instance of a plugin knows.
type Source = Box<dyn Fn(&IntGaugeVec) + Send + Sync>;
type Sources = Arc<Mutex<Vec<Source>>>;

/// A family of gauges that is empty between scrapes.
struct Computed {
    gauges: IntGaugeVec,
    sources: Sources,
}

// === impl Collectors ===

impl Collectors {
    /// Registers on `registry` from now on.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            counters: Mutex::default(),
            histograms: Mutex::default(),
            gauges: Mutex::default(),
            computed: Mutex::default(),
        }
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

    /// A family of gauges whose values `source` computes at each scrape: what it does not set then is not shown, so that
    /// nothing of it can stand still. Each instance of a plugin adds its own source.
    ///
    /// # Errors
    ///
    /// Why the registry refuses the name, help or labels.
    pub fn computed_gauge(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        source: impl Fn(&IntGaugeVec) + Send + Sync + 'static,
    ) -> Result<(), String> {
        let mut known = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sources) = known.get(name) {
            sources.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(source));
            return Ok(());
        }
        let gauges = IntGaugeVec::new(Opts::new(name, help), labels).map_err(|error| error.to_string())?;
        let sources: Sources = Arc::new(Mutex::new(vec![Box::new(source)]));
        let computed = Computed { gauges, sources: Arc::clone(&sources) };
        self.registry.register(Box::new(computed)).map_err(|error| error.to_string())?;
        known.insert(name.to_owned(), sources);
        Ok(())
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

impl fmt::Debug for Collectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collectors").finish_non_exhaustive()
    }
}

// === impl Computed ===

impl Collector for Computed {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Held until all is read, so that two scrapes do not empty each other's gauges.
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        self.gauges.reset();
        for source in sources.iter() {
            source(&self.gauges);
        }
        self.gauges.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn a_computed_gauge_has_what_each_source_says_at_the_scrape() {
        let registry = Registry::new();
        let collectors = Collectors::new(registry.clone());
        let now = Arc::new(AtomicI64::new(1));
        for tenant in ["acme", "globex"] {
            let now = Arc::clone(&now);
            let source = move |gauges: &IntGaugeVec| {
                let value = now.load(Ordering::Relaxed);
                if value < 3 || tenant == "acme" {
                    gauges.with_label_values(&[tenant]).set(value);
                }
            };
            collectors.computed_gauge("gateway_age_seconds", "Age.", &["tenant"], source).unwrap();
        }

        let mut found = Vec::new();
        for value in [2, 3] {
            now.store(value, Ordering::Relaxed);
            let families = registry.gather();
            let metrics = families.iter().flat_map(MetricFamily::get_metric);
            found.push(metrics.map(|metric| metric.get_gauge().get_value() as i64).collect::<Vec<_>>());
        }

        assert_eq!(found, [vec![2, 2], vec![3]]);
    }
}
