//! Histograms of tenants. Each has a dozen time series, so the number of tenants with one of their own is limited.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use super::family::{Histogram, HistogramFamily};
use super::registry::{MetricError, MetricsRegistry};

/// Histograms with the label `tenant`: one for each of the first 200 tenants, and one for all others, `(other)`. Cloning shares
/// them.
#[derive(Clone, Debug)]
pub struct TenantHistogram {
    family: HistogramFamily<1>,
    /// The tenants that have one of their own.
    known: Arc<RwLock<HashSet<String>>>,
}

// === impl MetricsRegistry ===

impl MetricsRegistry {
    /// Registers a family of histograms with the label `tenant`, whose number is limited.
    ///
    /// # Errors
    ///
    /// As [`MetricsRegistry::histogram`].
    pub fn tenant_histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<TenantHistogram, MetricError> {
        let family = self.histogram(name, help, &["tenant"], buckets)?;
        Ok(TenantHistogram { family, known: Arc::default() })
    }
}

// === impl TenantHistogram ===

impl TenantHistogram {
    /// Returns the histogram of a tenant.
    pub fn of(&self, tenant: &str) -> Histogram {
        self.family.with(&[self.label(tenant)])
    }

    fn label<'a>(&self, tenant: &'a str) -> &'a str {
        if self.known.read().unwrap_or_else(PoisonError::into_inner).contains(tenant) {
            return tenant;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.contains(tenant) || known.len() < MAX_TENANTS && known.insert(tenant.to_owned()) {
            return tenant;
        }
        OTHER_TENANTS
    }
}

/// The tenants that have a histogram of their own.
pub(super) const MAX_TENANTS: usize = 200;

/// The label of all other tenants.
pub(super) const OTHER_TENANTS: &str = "(other)";

#[cfg(test)]
mod tests {
    use crate::names;

    use super::*;

    #[test]
    fn tenants_beyond_the_limit_share_a_histogram() {
        let registry = MetricsRegistry::default();
        let histogram = registry.tenant_histogram(names::DELIVERY_DELAY, "Delay.", &[1.0]).unwrap();

        for _ in 0..2 {
            for tenant in 0..MAX_TENANTS + 3 {
                histogram.of(&format!("t{tenant}")).observe(0.5);
            }
        }
        let text = String::from_utf8(registry.encode().unwrap()).unwrap();

        let counts: Vec<&str> = text.lines().filter(|line| line.contains("_count{")).collect();
        assert_eq!(counts.len(), MAX_TENANTS + 1);
        assert!(counts.iter().any(|line| line.ends_with(r#"{tenant="(other)"} 6"#)), "{text}");
        assert!(counts.iter().any(|line| line.ends_with(r#"{tenant="t199"} 2"#)), "{text}");
    }
}
