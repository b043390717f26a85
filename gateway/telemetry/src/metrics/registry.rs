//! The registry of all metrics of the process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kyc_model::{ConfigError, ConfigErrors};
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, TextEncoder};

use super::family::{CounterFamily, GaugeFamily, HistogramFamily};
use crate::names;

/// Registers metrics and encodes them for Prometheus. Cloning shares the registry.
///
/// A second registration of the same name returns the same family, so that all instances of a plugin share their metrics.
///
/// Names follow the Prometheus conventions: `<namespace>_<noun>_<unit>[_total]`, in base units. Label values come from
/// the configuration or an enum, never from a request: each new value is a time series that stays for the life of the
/// process.
#[derive(Clone, Default)]
pub struct MetricsRegistry {
    registry: prometheus::Registry,
    families: Arc<Mutex<HashMap<String, Registered>>>,
}

/// Why a metric was not registered, or the metrics were not encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The name is registered with another kind or with other labels.
    #[error("metric {name} is already registered with another kind or other labels")]
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
    /// The metrics cannot be encoded in the text format.
    #[error("cannot encode the metrics: {reason}")]
    Encode {
        /// Which family is inconsistent.
        reason: String,
    },
}

/// A registered family and its labels.
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

/// Sets those values of a computed family that belong to one instance of a plugin.
type Source = Box<dyn Fn(&IntGaugeVec) + Send + Sync>;
type Sources = Arc<Mutex<Vec<Source>>>;

/// A family of gauges that is empty between scrapes.
struct Computed {
    gauges: IntGaugeVec,
    sources: Sources,
}

// === impl MetricsRegistry ===

impl MetricsRegistry {
    /// Registers a family of counters, or returns the one with this name.
    ///
    /// # Errors
    ///
    /// [`MetricError::Redefined`] when the name has another kind or other labels, [`MetricError::Invalid`] for an invalid name.
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

    /// Registers a family of gauges, or returns the one with this name.
    ///
    /// # Errors
    ///
    /// [`MetricError::Redefined`] when the name has another kind or other labels, [`MetricError::Invalid`] for an invalid name.
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

    /// Exports a limit of the configuration beside the values that it bounds, so that an alert needs no copy of it.
    ///
    /// # Errors
    ///
    /// [`MetricError::Redefined`] when the name has another kind or labels, [`MetricError::Invalid`] for an invalid name.
    pub fn limit(&self, name: &str, help: &str, value: u64) -> Result<(), MetricError> {
        self.gauge(name, help, &[])?.with(&[]).set(i64::try_from(value).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Exports a time of the configuration in seconds, rounded up, as [`MetricsRegistry::limit`] does.
    ///
    /// # Errors
    ///
    /// As [`MetricsRegistry::limit`].
    pub fn limit_time(&self, name: &str, help: &str, time: Duration) -> Result<(), MetricError> {
        self.limit(name, help, time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)))
    }

    /// Registers a family of gauges whose values `source` computes at each scrape. A time series that no source sets at a scrape
    /// is absent from it, so that an outdated value is never exported. Each call adds a source.
    ///
    /// # Errors
    ///
    /// [`MetricError::Redefined`] when the name has another kind or other labels, [`MetricError::Invalid`] for an invalid name.
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

    /// Registers a family of histograms, or returns the one with this name. `buckets` are upper bounds in the unit of the name
    /// (seconds or bytes); those of the first registration stay.
    ///
    /// # Errors
    ///
    /// [`MetricError::Redefined`] when the name has another kind or other labels, [`MetricError::Invalid`] for an invalid name.
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

    /// Registers the metrics `process_*` of this process, which the client libraries of Prometheus have in common.
    pub(super) fn register_process(&self) -> Result<(), MetricError> {
        self.registry.register(Box::new(ProcessCollector::for_self())).map_err(|error| MetricError::Invalid {
            name: names::PROCESS_START.to_owned(),
            reason: error.to_string(),
        })
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

    /// Returns the family that is registered with `name`, or registers a new one.
    fn family<T>(
        &self,
        name: &str,
        labels: &[&str],
        find: impl FnOnce(&Family) -> Option<T>,
        register: impl FnOnce(&prometheus::Registry) -> Result<(Family, T), prometheus::Error>,
    ) -> Result<T, MetricError> {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        // `prometheus` refuses a second registration of a name, so known families are kept here.
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

/// A plugin registers its metrics while its settings are checked, so an invalid metric is reported like an invalid setting.
impl From<MetricError> for ConfigErrors {
    fn from(error: MetricError) -> Self {
        ConfigError::new(error.to_string()).into()
    }
}

// === impl Computed ===

impl Collector for Computed {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // The lock is held until all values are read: a concurrent scrape would reset the gauges of this one.
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        self.gauges.reset();
        for source in sources.iter() {
            source(&self.gauges);
        }
        self.gauges.collect()
    }
}

#[cfg(test)]
mod tests;
