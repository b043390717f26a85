//! Each alert fires in a real Prometheus when its fault is made, and resolves when the fault is mended: `make alerts-test`.

mod calls;
mod fault;
mod listeners;
mod notifications;
mod portals;
mod processes;
mod stores;
mod table;
mod tenants;
mod watch;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures::{FutureExt, StreamExt};

use super::prometheus::shipped_rules;
use table::{FAULTS, TOO_LONG};

/// A new alert needs a line in `table.rs`.
#[test]
fn each_alert_has_a_fault() {
    let rules = std::fs::read_to_string(shipped_rules()).unwrap();
    let alerts: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();

    let mut made: BTreeSet<&str> = FAULTS.iter().flat_map(|fault| fault.fires).copied().collect();

    for (alert, reason) in TOO_LONG {
        assert!(made.insert(alert), "{alert} has a fault although {reason}");
    }
    let without: Vec<_> = alerts.symmetric_difference(&made).collect();
    assert!(without.is_empty(), "alerts without a fault, or faults without an alert: {without:?}");
    for fault in &FAULTS {
        let unknown: Vec<_> = fault.also.iter().filter(|alert| !alerts.contains(**alert)).collect();
        assert!(unknown.is_empty() && fault.fires.iter().all(|alert| alerts.contains(alert)), "{unknown:?}");
        assert!(fault.stays.iter().all(|alert| fault.fires.contains(alert)), "{}", fault.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: `make alerts-test`"]
async fn each_alert_fires_at_its_fault_and_at_no_other() {
    let wanted = std::env::var("FAULT").unwrap_or_default();
    let chosen = FAULTS.iter().filter(|fault| fault.name.contains(&wanted));

    let runs = chosen.map(|fault| async move {
        let begun = Instant::now();
        let end = AssertUnwindSafe((fault.make)(fault)).catch_unwind().await;
        println!(
            "{:>4} s {}  {}",
            begun.elapsed().as_secs(),
            if end.is_ok() { "ok    " } else { "FAILED" },
            fault.name
        );
        end.is_err().then_some(fault.name)
    });
    let failed: Vec<Option<&str>> = futures::stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;

    assert!(!failed.is_empty(), "no fault has {wanted:?} in its name");
    let failed: Vec<&str> = failed.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The number of gateways with their Prometheus that run at the same time.
const AT_ONCE: usize = 4;
