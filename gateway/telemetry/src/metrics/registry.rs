//! The registry of every metric of the process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, TextEncoder};

use super::family::{CounterFamily, GaugeFamily, HistogramFamily};

/// Registers metrics and writes them for Prometheus. Cloning shares the registry.
///
/// Whoever asks twice for the same name gets the same family, so that all instances of a plugin count together.
///
/// Names follow the Prometheus conventions: `<namespace>_<noun>_<unit>[_total]`, in base units. Label values come from
/// the configuration or an enum, never from a request: each new value is a time series that stays for the life of the
/// process.
#[derive(Clone, Default)]
pub struct MetricsRegistry {
    registry: prometheus::Registry,
    families: Arc<Mutex<HashMap<String, Registered>>>,
}

/// Why a metric was not registered, or the metrics were not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The name is registered with another kind or with other labels.
    #[error("metric {name} is registered already, with another kind or other labels")]
    Redefined {
        /// The name of the metric.
        name: String,
    },
    /// The name, the help text, a label or a bucket is not valid.
    #[error("metric {name} is not valid: {reason}")]
    Invalid {
        /// The name of the metric.
        name: String,
        /// What is not valid.
        reason: String,
    },
    /// The metrics cannot be written in the text format.
    #[error("the metrics cannot be written: {reason}")]
    Encode {
        /// Which family is inconsistent.
        reason: String,
    },
}

/// A family as it was registered.
struct Registered {
    labels: Vec<String>,
    family: Family,
}

enum Family {
    Counter(IntCounterVec),
    Gauge(IntGaugeVec),
    Histogram(HistogramVec),
    Computed(Sources),
}

/// Sets the values of a computed family that one instance of a plugin knows.
type Source = Box<dyn Fn(&IntGaugeVec) + Send + Sync>;
type Sources = Arc<Mutex<Vec<Source>>>;

/// A family of gauges that is empty between scrapes.
struct Computed {
    gauges: IntGaugeVec,
    sources: Sources,
}

// === impl MetricsRegistry ===

impl MetricsRegistry {
    /// A family of counters.
    ///
    /// # Errors
    ///
    /// [`MetricError::Redefined`] and [`MetricError::Invalid`].
    pub fn counter<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str; N],
    ) -> Result<CounterFamily<N>, MetricError> {
        self.family(
            name,
            labels,
            |family| match family {
                Family::Counter(counters) => Some(CounterFamily(counters.clone())),
                Family::Gauge(_) | Family::Histogram(_) | Family::Computed(_) => None,
            },
            |registry| {
                let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(counters.clone()))?;
                Ok((Family::Counter(counters.clone()), CounterFamily(counters)))
            },
        )
    }

    /// A family of gauges.
    ///
    /// # Errors
    ///
    /// [`MetricError::Redefined`] and [`MetricError::Invalid`].
    pub fn gauge<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str; N],
    ) -> Result<GaugeFamily<N>, MetricError> {
        self.family(
            name,
            labels,
            |family| match family {
                Family::Gauge(gauges) => Some(GaugeFamily(gauges.clone())),
                Family::Counter(_) | Family::Histogram(_) | Family::Computed(_) => None,
            },
            |registry| {
                let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(gauges.clone()))?;
                Ok((Family::Gauge(gauges.clone()), GaugeFamily(gauges)))
            },
        )
    }

    /// A family of gauges whose values `source` computes at each scrape. A time series that no source sets at a scrape
    /// is absent from it, so that an old value is never shown as a new one. Each call adds a source.
    ///
    /// # Errors
    ///
    /// [`MetricError::Redefined`] and [`MetricError::Invalid`].
    pub fn computed_gauge<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str; N],
        source: impl Fn(&GaugeFamily<N>) + Send + Sync + 'static,
    ) -> Result<(), MetricError> {
        let sources = self.family(
            name,
            labels,
            |family| match family {
                Family::Computed(sources) => Some(Arc::clone(sources)),
                Family::Counter(_) | Family::Gauge(_) | Family::Histogram(_) => None,
            },
            |registry| {
                let (gauges, sources) =
                    (IntGaugeVec::new(Opts::new(name, help), labels)?, Sources::default());
                registry.register(Box::new(Computed { gauges, sources: Arc::clone(&sources) }))?;
                Ok((Family::Computed(Arc::clone(&sources)), sources))
            },
        )?;
        let source = move |gauges: &IntGaugeVec| source(&GaugeFamily(gauges.clone()));
        sources.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(source));
        Ok(())
    }

    /// A family of histograms. `buckets` are upper bounds, in seconds or bytes as the name says; the buckets of the
    /// first call stay.
    ///
    /// # Errors
    ///
    /// [`MetricError::Redefined`] and [`MetricError::Invalid`].
    pub fn histogram<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str; N],
        buckets: &[f64],
    ) -> Result<HistogramFamily<N>, MetricError> {
        self.family(
            name,
            labels,
            |family| match family {
                Family::Histogram(histograms) => Some(HistogramFamily(histograms.clone())),
                Family::Counter(_) | Family::Gauge(_) | Family::Computed(_) => None,
            },
            |registry| {
                let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
                let histograms = HistogramVec::new(options, labels)?;
                registry.register(Box::new(histograms.clone()))?;
                Ok((Family::Histogram(histograms.clone()), HistogramFamily(histograms)))
            },
        )
    }

    /// Writes all metrics in the Prometheus text format 0.0.4.
    ///
    /// # Errors
    ///
    /// [`MetricError::Encode`] when a family is inconsistent.
    pub fn encode(&self) -> Result<Vec<u8>, MetricError> {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .map_err(|error| MetricError::Encode { reason: error.to_string() })?;
        Ok(text)
    }

    /// The family that has `name` already, or a new one.
    fn family<T>(
        &self,
        name: &str,
        labels: &[&str],
        find: impl FnOnce(&Family) -> Option<T>,
        register: impl FnOnce(&prometheus::Registry) -> Result<(Family, T), prometheus::Error>,
    ) -> Result<T, MetricError> {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = families.get(name) {
            return Some(&known.family)
                .filter(|_| known.labels == labels)
                .and_then(find)
                .ok_or_else(|| MetricError::Redefined { name: name.to_owned() });
        }
        let (family, found) = register(&self.registry)
            .map_err(|error| MetricError::Invalid { name: name.to_owned(), reason: error.to_string() })?;
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        families.insert(name.to_owned(), Registered { labels, family });
        Ok(found)
    }
}

impl fmt::Debug for MetricsRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsRegistry").finish_non_exhaustive()
    }
}

// === impl MetricError ===

impl From<MetricError> for String {
    fn from(error: MetricError) -> Self {
        error.to_string()
    }
}

// === impl Computed ===

impl Collector for Computed {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Locked until all values are read: a second scrape would reset the gauges of the first.
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
        let registry = MetricsRegistry::default();
        let now = Arc::new(AtomicI64::new(1));
        for tenant in ["acme", "globex"] {
            let now = Arc::clone(&now);
            let source = move |gauges: &GaugeFamily<1>| {
                let value = now.load(Ordering::Relaxed);
                if value < 3 || tenant == "acme" {
                    gauges.with(&[tenant]).set(value);
                }
            };
            registry.computed_gauge("gateway_age_seconds", "Age.", &["tenant"], source).unwrap();
        }

        let scrapes = [2, 3].map(|value| {
            now.store(value, Ordering::Relaxed);
            let text = String::from_utf8(registry.encode().unwrap()).unwrap();
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        });

        let line = |tenant: &str, value: i64| format!("gateway_age_seconds{{tenant=\"{tenant}\"}} {value}");
        assert_eq!(scrapes, [vec![line("acme", 2), line("globex", 2)], vec![line("acme", 3)]]);
    }

    #[test]
    fn the_same_name_is_the_same_family() {
        let registry = MetricsRegistry::default();
        let first = registry.counter("gateway_calls_total", "Calls.", &["route"]).unwrap();

        let second = registry.counter("gateway_calls_total", "Calls.", &["route"]).unwrap();
        second.with(&["onfido"]).inc();

        assert_eq!(first.with(&["onfido"]).get(), 1);
    }

    #[test]
    fn a_name_keeps_its_kind_and_its_labels() {
        let registry = MetricsRegistry::default();
        registry.counter("gateway_calls_total", "Calls.", &["route"]).unwrap();
        let redefined = MetricError::Redefined { name: "gateway_calls_total".to_owned() };

        let other_labels = registry.counter("gateway_calls_total", "Calls.", &["tenant"]).map(|_| ());
        let more_labels = registry.counter("gateway_calls_total", "Calls.", &["route", "tenant"]).map(|_| ());
        let other_kind = registry.gauge("gateway_calls_total", "Calls.", &["route"]).map(|_| ());
        let bad_name = registry.gauge("gateway calls", "Calls.", &[]).map(|_| ());

        for refused in [other_labels, more_labels, other_kind] {
            assert_eq!(refused, Err(redefined.clone()));
        }
        assert!(matches!(bad_name, Err(MetricError::Invalid { .. })), "{bad_name:?}");
    }
}
