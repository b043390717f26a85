use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

#[test]
fn computed_gauge_has_the_values_that_its_sources_set_at_the_scrape() {
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
fn second_registration_returns_the_same_family() {
    let registry = MetricsRegistry::default();
    let first = registry.counter("gateway_calls_total", "Calls.", &["route"]).unwrap();

    let second = registry.counter("gateway_calls_total", "Calls.", &["route"]).unwrap();
    second.with(&["onfido"]).inc();

    assert_eq!(first.with(&["onfido"]).get(), 1);
}

#[test]
fn registration_with_another_kind_or_labels_is_refused() {
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
