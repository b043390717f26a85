//! Counters, gauges and histograms, and the families that they belong to.
//!
//! A family has one name and `N` labels; each combination of label values is one time series. The number of labels is
//! part of the type, so a call with a missing or an extra label value does not compile.

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

/// Counters with one name and `N` labels. Cloning shares the counters.
#[derive(Clone, Debug)]
pub struct CounterFamily<const N: usize>(pub(super) IntCounterVec);

/// A number that only grows. Cloning shares the number.
#[derive(Clone, Debug)]
pub struct Counter(prometheus::IntCounter);

/// Gauges with one name and `N` labels. Cloning shares the gauges.
#[derive(Clone, Debug)]
pub struct GaugeFamily<const N: usize>(pub(super) IntGaugeVec);

/// A number that goes up and down. Cloning shares the number.
#[derive(Clone, Debug)]
pub struct Gauge(prometheus::IntGauge);

/// Histograms with one name and `N` labels. Cloning shares the histograms.
#[derive(Clone, Debug)]
pub struct HistogramFamily<const N: usize>(pub(super) HistogramVec);

/// Counts of observed values by bucket, and their sum. Cloning shares the counts.
#[derive(Clone, Debug)]
pub struct Histogram(prometheus::Histogram);

// === impl CounterFamily ===

impl<const N: usize> CounterFamily<N> {
    /// Returns the counter with these label values, in the order of the labels. A new counter starts at zero.
    #[inline]
    pub fn with(&self, values: &[&str; N]) -> Counter {
        Counter(self.0.with_label_values(values))
    }
}

// === impl Counter ===

impl Counter {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Adds `amount`.
    #[inline]
    pub fn inc_by(&self, amount: u64) {
        self.0.inc_by(amount);
    }

    /// Returns the current value.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

// === impl GaugeFamily ===

impl<const N: usize> GaugeFamily<N> {
    /// Returns the gauge with these label values, in the order of the labels. A new gauge starts at zero.
    #[inline]
    pub fn with(&self, values: &[&str; N]) -> Gauge {
        Gauge(self.0.with_label_values(values))
    }
}

// === impl Gauge ===

impl Gauge {
    /// Sets the value.
    #[inline]
    pub fn set(&self, value: i64) {
        self.0.set(value);
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Subtracts one.
    #[inline]
    pub fn dec(&self) {
        self.0.dec();
    }

    /// Subtracts `amount`.
    #[inline]
    pub fn sub(&self, amount: i64) {
        self.0.sub(amount);
    }

    /// Returns the current value.
    #[inline]
    pub fn get(&self) -> i64 {
        self.0.get()
    }
}

// === impl HistogramFamily ===

impl<const N: usize> HistogramFamily<N> {
    /// Returns the histogram with these label values, in the order of the labels.
    #[inline]
    pub fn with(&self, values: &[&str; N]) -> Histogram {
        Histogram(self.0.with_label_values(values))
    }
}

// === impl Histogram ===

impl Histogram {
    /// Adds one observed value.
    #[inline]
    pub fn observe(&self, value: f64) {
        self.0.observe(value);
    }
}
