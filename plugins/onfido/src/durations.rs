//! How long Onfido takes to respond, by operation.
//!
//! A call finds its histogram by the place of its operation, without a look-up by label. A histogram exists from the first call of
//! its operation on, because most deployments use a few of Onfido's operations.

use std::sync::OnceLock;

use kyc_model::API_OPERATIONS;
use kyc_plugin_api::{Histogram, HistogramFamily, MetricError, MetricsRegistry, UpstreamOperation};
use kyc_telemetry::names;

use crate::catalog::Found;

/// A histogram for each operation of the description.
#[derive(Debug)]
pub(crate) struct OperationDurations {
    family: HistogramFamily<1>,
    listed: Box<[OnceLock<Histogram>]>,
}

// === impl OperationDurations ===

impl OperationDurations {
    /// Registers the histograms.
    ///
    /// # Errors
    ///
    /// [`MetricError`] when the name is registered with another kind.
    pub(crate) fn new(metrics: &MetricsRegistry) -> Result<Self, MetricError> {
        let help = "Time from the request head to the response head of Onfido, by operation.";
        let family = metrics.histogram(names::OPERATION_DURATION, help, &["operation"], &SECONDS)?;
        Ok(Self { family, listed: API_OPERATIONS.iter().map(|_| OnceLock::new()).collect() })
    }

    /// Returns the operation of a call, as the core measures it.
    pub(crate) fn of(&self, found: &Found) -> UpstreamOperation {
        let labelled = || self.family.with(&[found.id]);
        let listed = found.index.and_then(|index| self.listed.get(index));
        UpstreamOperation {
            template: found.index.and_then(|index| API_OPERATIONS.get(index)).map(|operation| operation.path),
            duration: listed.map_or_else(labelled, |listed| listed.get_or_init(labelled).clone()),
        }
    }
}

/// Histogram buckets in seconds: Onfido responds to a read within 0.25 s, to an upload or a check within some seconds.
const SECONDS: [f64; 13] = [0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 60.0];

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn each_operation_has_a_histogram_and_a_template_once_it_is_called() {
        let (registry, catalog) = (MetricsRegistry::default(), Catalog::new());
        let durations = OperationDurations::new(&registry).unwrap();

        let [found, unlisted] = ["applicants/1", "nothing/1"].map(|path| {
            let operation = durations.of(&catalog.find(&Method::GET, ["", path]));
            operation.duration.observe(0.3);
            operation.template
        });
        let text = String::from_utf8(registry.encode().unwrap()).unwrap();

        assert_eq!((found, unlisted), (Some("/applicants/{applicant_id}"), None));
        for operation in ["find_applicant", "unlisted"] {
            let bucket = format!(r#"_bucket{{operation="{operation}",le="0.5"}} 1"#);
            assert!(text.contains(&bucket), "{text}");
        }
        assert!(!text.contains("list_applicants"), "{text}");
    }
}
